# Tests of Prometheus and the dashboards. They need Debian's python3 and nothing
# else.
foreach(part Files Watched WatchRefuses)
  add_test(NAME MonitoringTest.${part}
           COMMAND python3 ${CMAKE_CURRENT_SOURCE_DIR}/monitoring_test.py ${part})
  set_tests_properties(MonitoringTest.${part} PROPERTIES
    LABELS deploy TIMEOUT 900 SKIP_RETURN_CODE 77
    ENVIRONMENT "AHA_BIN_DIR=${PROJECT_BINARY_DIR}/bin")
endforeach()
set_tests_properties(MonitoringTest.Watched PROPERTIES PROCESSORS 2)
