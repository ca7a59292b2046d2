# The only ways to declare a target in this build:
#
#   aha_library(<name> SRCS ... DEPS ...)      one folder, one library
#   aha_executable(<name> SRCS ... DEPS ...)   a program in bin/
#   aha_test(<name> SRCS ... DEPS ...)         a GoogleTest program with one ctest
#                                              entry for each TEST
#   aha_test_program(<name> SRCS ... DEPS ...) the same without the entries, for
#                                              tests that share a set-up
#   aha_test_library(<name> SRCS ... DEPS ...) code that test programs share
#   aha_bench(<name> SRCS ... DEPS ...)        a benchmark, built only by
#                                              `make bench`
#   aha_fuzzer(<name> DEPS ...)                <name>.cc with libFuzzer, built only
#                                              by `make fuzz`
#   aha_sanitized_test(...)                    see Sanitized.cmake
#   aha_proto_library(<name> PROTOS ... [GRPC])
#
# A library may name in DEPS only libraries of lower folders (docs/design.md
# section 7). The link fails if it calls a function of a library that neither
# it nor its program names. A header without a body compiles everywhere;
# deploy/lint-includes finds an include of a higher folder.

function(aha_library name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SRCS})
  add_library(aha::${name} ALIAS ${name})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_compile_options(${name} PRIVATE ${AHA_WARNINGS})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS})
endfunction()

function(aha_executable name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_compile_options(${name} PRIVATE ${AHA_WARNINGS})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                           ${PROJECT_BINARY_DIR}/bin)
  add_dependencies(programs ${name})
  install(TARGETS ${name} RUNTIME)
endfunction()

function(aha_test_settings name)
  target_compile_options(${name} PRIVATE ${AHA_WARNINGS})
  target_compile_definitions(${name} PRIVATE
    AHA_SOURCE_DIR="${PROJECT_SOURCE_DIR}" AHA_BIN_DIR="${PROJECT_BINARY_DIR}/bin"
    AHA_PATIENCE=${AHA_PATIENCE})
  # Test code runs once, so optimizing it would take longer than it saves.
  target_compile_options(${name} PRIVATE -O1)
endfunction()

function(aha_test_library name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SRCS})
  target_link_libraries(${name} PUBLIC aha::base GTest::gmock ${ARG_DEPS})
  aha_test_settings(${name})
endfunction()

function(aha_test_program name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock_main)
  aha_test_settings(${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                           ${PROJECT_BINARY_DIR}/tests)
endfunction()

function(aha_test name)
  if(NOT AHA_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS;LABELS;PROPERTIES" ${ARGN})
  aha_test_program(${name} SRCS ${ARG_SRCS} DEPS ${ARG_DEPS})
  math(EXPR limit "300 * ${AHA_PATIENCE}")
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${limit} LABELS "${ARG_LABELS}" ${ARG_PROPERTIES})
endfunction()

function(aha_bench name)
  if(NOT AHA_BUILD_BENCH)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_compile_options(${name} PRIVATE ${AHA_WARNINGS})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                           ${PROJECT_BINARY_DIR}/bench)
  add_dependencies(benchmarks ${name})
endfunction()

function(aha_fuzzer name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  add_executable(${name} ${name}.cc)
  target_compile_options(${name} PRIVATE ${AHA_WARNINGS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                           ${PROJECT_BINARY_DIR}/fuzz)
  add_dependencies(fuzzers ${name})
endfunction()

# PROTOS are paths below proto/. Sources include them as "aha/v1/job.pb.h".
function(aha_proto_library name)
  cmake_parse_arguments(ARG "GRPC" "" "PROTOS;DEPS" ${ARGN})
  set(out ${PROJECT_BINARY_DIR}/gen)
  file(MAKE_DIRECTORY ${out})
  set(sources)
  foreach(proto ${ARG_PROTOS})
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    set(generated ${out}/${stem}.pb.cc)
    set(command protobuf::protoc -I ${PROJECT_SOURCE_DIR}/proto
                --cpp_out=${out} ${PROJECT_SOURCE_DIR}/proto/${proto})
    if(ARG_GRPC)
      list(APPEND generated ${out}/${stem}.grpc.pb.cc)
      list(APPEND command --grpc_out=${out}
           --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>)
    endif()
    file(GLOB siblings CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/proto/aha/v1/*.proto)
    add_custom_command(OUTPUT ${generated} COMMAND ${command}
                       DEPENDS ${siblings})
    list(APPEND sources ${generated})
  endforeach()
  add_library(${name} STATIC ${sources})
  add_library(aha::${name} ALIAS ${name})
  if(NOT TARGET generated_sources)
    # Everything that clang-tidy needs to be built.
    add_custom_target(generated_sources)
  endif()
  add_custom_target(${name}_sources DEPENDS ${sources})
  add_dependencies(generated_sources ${name}_sources)
  # Generated code is not made for unity builds.
  set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
  target_include_directories(${name} SYSTEM PUBLIC ${out})
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf ${ARG_DEPS})
  if(ARG_GRPC)
    target_link_libraries(${name} PUBLIC gRPC::grpc++)
  endif()
endfunction()
