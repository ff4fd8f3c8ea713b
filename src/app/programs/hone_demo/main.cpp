#include "app/cli/program.hpp"
#include "app/programs/hone_demo/demo.hpp"

int main(int argc, char** argv) { return hone::app::run_program(argc, argv, {{"demo", "", hone::app::add_demo}}); }
