#include "app/programs/hone_trainer/together.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "base/error.hpp"
#include "base/file.hpp"
#include "train/distributed.hpp"

namespace hone::app {

namespace {

namespace fs = std::filesystem;

fs::path make_temporary_folder() {
  std::string name = (fs::temp_directory_path() / "hone-train-XXXXXX").string();
  if (!::mkdtemp(name.data()))
    throw Error("'" + name + "'", "cannot be created", "set TMPDIR to a folder that can be written to");
  return name;
}

void flush_all() {
  std::cout.flush();
  std::fflush(stdout);
  std::fflush(stderr);
}

/// Of the run to continue; the folder of the first process need not be seen by the others.
void share_file(const TrainCommandOptions& options, const char* name) {
  ProcessGroup& group = *options.train.group;
  fs::path path = options.in_output(name);
  std::error_code ignored;
  std::string content = group.share(group.first() && fs::exists(path, ignored) ? read_text_file(path) : "");
  if (!group.first() && !content.empty()) write_file(path, content);
}

}  // namespace

Together::Together(TrainCommandOptions& options) {
  options.train.group = ProcessGroup::from_environment();
  if (!options.train.group) return;
  ProcessGroup& group = *options.train.group;
  if (!group.first()) {
    folder_ = make_temporary_folder();
    options.output = folder_.string();
    flush_all();
    out_ = ::dup(STDOUT_FILENO);
    err_ = ::dup(STDERR_FILENO);
    int nothing = ::open("/dev/null", O_WRONLY);
    ::dup2(nothing, STDOUT_FILENO);
    ::dup2(nothing, STDERR_FILENO);
    ::close(nothing);
  }
  options.train.resume = group.share(options.train.resume ? "resume" : "") == "resume";
  if (!options.train.resume) return;
  for (const char* name : {"train.json", "checkpoint.bin"}) share_file(options, name);
}

Together::~Together() {
  if (folder_.empty()) return;
  flush_all();
  ::dup2(out_, STDOUT_FILENO);
  ::dup2(err_, STDERR_FILENO);
  ::close(out_);
  ::close(err_);
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

bool is_first_process(const TrainCommandOptions& options) {
  return !options.train.group || options.train.group->first();
}

void share_choices(TrainCommandOptions& options) {
  if (options.train.group) options.restore_chosen(Json::parse(options.train.group->share(options.chosen().dump())));
}

}  // namespace hone::app
