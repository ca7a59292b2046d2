# The image and the manifests.
add_library(deploy_testing STATIC manifests.cc played.cc podman.cc)
target_include_directories(deploy_testing PUBLIC ${PROJECT_SOURCE_DIR})
target_compile_definitions(deploy_testing PUBLIC
  AHA_SOURCE_DIR="${PROJECT_SOURCE_DIR}" AHA_BIN_DIR="${PROJECT_BINARY_DIR}/bin")
target_compile_options(deploy_testing PRIVATE ${AHA_WARNINGS})
target_link_libraries(deploy_testing PUBLIC local_cluster aha::base yaml-cpp)

aha_test(manifests_test SRCS manifests_test.cc DEPS deploy_testing aha::job
         LABELS deploy)
if(TARGET manifests_test)
  add_dependencies(manifests_test programs)
endif()

# The set-up (base image, image) is shared by the tests of one program, so each
# is one ctest entry.  The first to run waits for Debian's mirror most of the
# time; played pods compute.
foreach(name image_test kube_play_test)
  add_executable(${name} ${name}.cc)
  target_compile_options(${name} PRIVATE ${AHA_WARNINGS})
  target_link_libraries(${name} PRIVATE deploy_testing GTest::gmock_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                           ${PROJECT_BINARY_DIR}/tests)
  add_dependencies(${name} programs)
  add_test(NAME Deploy.${name} COMMAND ${name})
  set_tests_properties(Deploy.${name} PROPERTIES
    LABELS deploy TIMEOUT 900 RESOURCE_LOCK containers
    SKIP_REGULAR_EXPRESSION "ARE NOT TESTED")
endforeach()
set_tests_properties(Deploy.kube_play_test PROPERTIES
  PROCESSORS 2 DEPENDS Deploy.image_test)

add_test(NAME Deploy.schema_test
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/schema_test.sh ${PROJECT_SOURCE_DIR}
          ${PROJECT_BINARY_DIR}/schema_test)
set_tests_properties(Deploy.schema_test PROPERTIES
  LABELS deploy TIMEOUT 300 SKIP_RETURN_CODE 77)
