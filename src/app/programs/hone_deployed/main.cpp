// Runs the model of a folder that `hone deploy` wrote: hone_app [--app FOLDER] IMAGE...
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "image_file.hpp"
#include "tasks.hpp"

namespace {

/// The folder with app.conf: beside the program, else where it was built from.
std::filesystem::path default_folder() {
  std::error_code ignored;
  std::filesystem::path beside = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
#ifdef APP_FOLDER
  if (!std::filesystem::exists(beside / "app.conf", ignored)) return APP_FOLDER;
#endif
  return beside;
}

void print(const std::string& path, const Lines& lines) {
  for (size_t i = 0; i < lines.size(); ++i)
    std::printf("%s%s\n", i == 0 ? (path + ": ").c_str() : std::string(path.size() + 2, ' ').c_str(), lines[i].c_str());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  std::filesystem::path folder = default_folder();
  std::vector<std::string> images;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--app") == 0 && i + 1 < argc) folder = argv[++i];
    else images.emplace_back(argv[i]);
  }
  if (images.empty() || images[0].starts_with("-")) {
    std::fprintf(stderr, "usage: hone_app [--app FOLDER] IMAGE...\n");
    return 2;
  }
  bool all = true;
  try {
    Config config = read_config(folder);
    std::unique_ptr<Task> task = make_task(config);
    for (const std::string& path : images) {
      try {
        print(path, task->run(read_image(path).view()));
      } catch (const hone::Error& error) {
        std::fprintf(stderr, "hone_app: %s\n", error.what());
        all = false;
      }
    }
  } catch (const hone::Error& error) {
    std::fprintf(stderr, "hone_app: %s\n", error.what());
    return 1;
  }
  return all ? 0 : 1;
}
