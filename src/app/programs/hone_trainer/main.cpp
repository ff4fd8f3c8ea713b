#include "app/cli/program.hpp"
#include "app/programs/hone_trainer/find.hpp"
#include "app/programs/hone_trainer/train.hpp"

int main(int argc, char** argv) {
  return hone::app::run_program(argc, argv, {{"find", "", hone::app::add_find}, {"train", "", hone::app::add_train}});
}
