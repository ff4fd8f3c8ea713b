#include <dlfcn.h>

#include <string>
#include <utility>

#include "base/error.hpp"
#include "data/image_module/image_module.hpp"

namespace hone {

namespace {

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& problem) {
  throw Error("'" + file.string() + "'", problem, "install hone again, with the packages that scripts/setup lists");
}

/// Loads the module from its place relative to the program. It stays loaded.
const ImageModule& load() {
  const std::filesystem::path file =
      (std::filesystem::read_symlink("/proc/self/exe").parent_path() / HONE_IMAGE_MODULE).lexically_normal();
  void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* reason = ::dlerror();
    fail(file, std::string("the module that reads and draws images cannot be loaded") +
                   (reason ? ": " + std::string(reason) : ""));
  }
  auto entry = reinterpret_cast<decltype(&hone_image_module)>(::dlsym(library, "hone_image_module"));
  if (!entry) fail(file, "is not Hone's module for images");
  const ImageModule& module = *entry();
  if (std::string(module.version) != HONE_VERSION)
    fail(file, "is of version " + std::string(module.version) + ", the program of " HONE_VERSION);
  return module;
}

const ImageModule& module() {
  static const ImageModule& loaded = load();
  return loaded;
}

}  // namespace

#define HONE_IMAGE(slot, result, name, parameters, arguments) \
  result name parameters { return module().slot arguments; }
#include "data/image_module/functions.inc"
#undef HONE_IMAGE

}  // namespace hone
