# Tests of deploy/slurm with a real Slurm.
aha_test(slurm_test
  SRCS slurm_cluster.cc slurm_test.cc DEPS local_cluster LABELS deploy
  PROPERTIES PROCESSORS 2)
if(TARGET slurm_test)
  add_dependencies(slurm_test programs)
endif()
