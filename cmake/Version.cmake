# Generates base/version.cc, so that a new commit recompiles only one file. Pass
# -DAHA_COMMIT=... if there is no .git, as in a container's build context.
find_package(Git QUIET)
if(NOT AHA_COMMIT)
  set(AHA_COMMIT "unknown")
endif()
if(GIT_FOUND AND AHA_COMMIT STREQUAL "unknown")
  execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse --short=12 HEAD
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE head
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(head)
    set(AHA_COMMIT ${head})
  endif()
endif()
configure_file(${PROJECT_SOURCE_DIR}/base/version.cc.in
               ${PROJECT_BINARY_DIR}/gen/base/version.cc @ONLY)
