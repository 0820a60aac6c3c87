// main() of every program of tests; --run_test=NAME runs one.
#define BOOST_TEST_MODULE holtfs
#include <boost/test/unit_test.hpp>
