# Tests of the image and of the manifests.
aha_test_library(deploy_testing SRCS manifests.cc played.cc podman.cc
                 DEPS local_cluster yaml-cpp)

aha_test(manifests_test SRCS manifests_test.cc DEPS deploy_testing aha::job
         LABELS deploy)
if(TARGET manifests_test)
  add_dependencies(manifests_test programs)
endif()

# The tests of one program share its set-up (base image, image), so each program
# is one ctest entry. The first one to run mostly waits for Debian's mirror; the
# pods compute.
foreach(name image_test kube_play_test)
  aha_test_program(${name} SRCS ${name}.cc DEPS deploy_testing)
  add_dependencies(${name} programs)
  add_test(NAME Deploy.${name} COMMAND ${name})
  set_tests_properties(Deploy.${name} PROPERTIES
    LABELS deploy TIMEOUT 2400 RESOURCE_LOCK containers
    SKIP_REGULAR_EXPRESSION "ARE NOT TESTED")
endforeach()
set_tests_properties(Deploy.kube_play_test PROPERTIES
  PROCESSORS 2 DEPENDS Deploy.image_test)

add_test(NAME Deploy.schema_test
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/schema_test.sh ${PROJECT_SOURCE_DIR}
          ${PROJECT_BINARY_DIR}/schema_test)
set_tests_properties(Deploy.schema_test PROPERTIES
  LABELS deploy TIMEOUT 600 SKIP_RETURN_CODE 77)
