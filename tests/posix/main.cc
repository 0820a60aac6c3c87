// The program of all areas; --run_test=AREA_ runs one.
#define BOOST_TEST_MODULE posix
#include <boost/test/unit_test.hpp>
