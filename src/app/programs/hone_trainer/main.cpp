#include "app/cli/program.hpp"
#include "app/programs/hone_trainer/train.hpp"

int main(int argc, char** argv) { return hone::app::run_program(argc, argv, {{"train", "", hone::app::add_train}}); }
