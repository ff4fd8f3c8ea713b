#include "app/cli/commands.hpp"
#include "app/cli/program.hpp"

int main(int argc, char** argv) { return hone::app::run_program(argc, argv, hone::app::commands()); }
