# The only ways to declare a target in this build:
#
#   aha_library(<name> [WITHOUT_GRPC] SRCS ... DEPS ...)
#                                              one folder, one library
#   aha_executable(<name> SRCS ... DEPS ...)   a program in bin/
#   aha_test(<name> [WITHOUT_GRPC] SRCS ... DEPS ...)
#                                              a GoogleTest program with one ctest
#                                              entry for each TEST
#   aha_test_program(<name> SRCS ... DEPS ...) the same without the entries, for
#                                              tests that share a set-up
#   aha_test_library(<name> SRCS ... DEPS ...) code that test programs share
#   aha_bench(<name> SRCS ... DEPS ...)        a benchmark, built only by
#                                              `make bench`
#   aha_fuzzer(<name> DEPS ...)                <name>.cc with libFuzzer, built only
#                                              by `make fuzz`
#   aha_sanitized_test(...)                    see Sanitized.cmake
#   aha_proto_library(<name> PROTOS ... DEPS ...)   generated messages
#   aha_stub_library(<name> PROTOS ... DEPS ...)    generated gRPC stubs
#
# A library may name in DEPS only libraries of lower folders (docs/design.md
# section 7). The link fails if it calls a function of a library that neither
# it nor its program names. A header without a body compiles everywhere;
# deploy/lint-includes finds an include of a higher folder. WITHOUT_GRPC is
# for domains: the build stops if anything that the target links needs gRPC.

function(aha_library name)
  cmake_parse_arguments(ARG "WITHOUT_GRPC" "" "SRCS;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SRCS})
  add_library(aha::${name} ALIAS ${name})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_compile_options(${name} PRIVATE ${AHA_WARNINGS})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS})
  if(ARG_WITHOUT_GRPC)
    set_property(GLOBAL APPEND PROPERTY AHA_WITHOUT_GRPC ${name})
  endif()
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
  cmake_parse_arguments(ARG "WITHOUT_GRPC" "" "SRCS;DEPS;LABELS;PROPERTIES" ${ARGN})
  aha_test_program(${name} SRCS ${ARG_SRCS} DEPS ${ARG_DEPS})
  if(ARG_WITHOUT_GRPC)
    set_property(GLOBAL APPEND PROPERTY AHA_WITHOUT_GRPC ${name})
  endif()
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
  cmake_parse_arguments(ARG "" "" "PROTOS;DEPS" ${ARGN})
  aha_generated_library(${name} .pb.cc "--cpp_out=${PROJECT_BINARY_DIR}/gen"
                        ${ARG_PROTOS})
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf ${ARG_DEPS})
endfunction()

# The services of PROTOS, whose messages are in DEPS. Sources include them as
# "aha/v1/admin.grpc.pb.h".
function(aha_stub_library name)
  cmake_parse_arguments(ARG "" "" "PROTOS;DEPS" ${ARGN})
  aha_generated_library(${name} .grpc.pb.cc
    "--grpc_out=${PROJECT_BINARY_DIR}/gen;--plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>"
    ${ARG_PROTOS})
  target_link_libraries(${name} PUBLIC gRPC::grpc++ ${ARG_DEPS})
endfunction()

function(aha_generated_library name suffix outputs)
  set(out ${PROJECT_BINARY_DIR}/gen)
  file(MAKE_DIRECTORY ${out})
  file(GLOB siblings CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/proto/aha/v1/*.proto)
  set(sources)
  foreach(proto ${ARGN})
    string(REGEX REPLACE "\\.proto$" ${suffix} source ${out}/${proto})
    add_custom_command(OUTPUT ${source}
      COMMAND protobuf::protoc -I ${PROJECT_SOURCE_DIR}/proto ${outputs}
              ${PROJECT_SOURCE_DIR}/proto/${proto}
      DEPENDS ${siblings})
    list(APPEND sources ${source})
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
endfunction()

# Fails if one of the targets that are WITHOUT_GRPC links gRPC, and names the
# path. Called when all targets are declared.
function(aha_check_without_grpc)
  get_property(targets GLOBAL PROPERTY AHA_WITHOUT_GRPC)
  foreach(target ${targets})
    set_property(GLOBAL PROPERTY AHA_SEEN)
    aha_find_grpc(${target} ${target})
  endforeach()
endfunction()

function(aha_find_grpc target path)
  get_property(seen GLOBAL PROPERTY AHA_SEEN)
  get_target_property(real ${target} ALIASED_TARGET)
  if(real)
    set(target ${real})
  endif()
  if(target IN_LIST seen)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY AHA_SEEN ${target})
  foreach(property LINK_LIBRARIES INTERFACE_LINK_LIBRARIES)
    get_target_property(libraries ${target} ${property})
    foreach(library ${libraries})
      string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" library "${library}")
      if(library MATCHES "grpc")
        message(FATAL_ERROR "A target that is WITHOUT_GRPC links gRPC: "
                            "${path} -> ${library}")
      endif()
      if(TARGET ${library})
        aha_find_grpc(${library} "${path} -> ${library}")
      endif()
    endforeach()
  endforeach()
endfunction()
