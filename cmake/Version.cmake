# base/version.cc is generated, so that a new commit recompiles one file.
find_package(Git QUIET)
set(AHA_COMMIT "unknown")
if(GIT_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse --short=12 HEAD
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE AHA_COMMIT
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
configure_file(${PROJECT_SOURCE_DIR}/base/version.cc.in
               ${PROJECT_BINARY_DIR}/gen/base/version.cc @ONLY)
