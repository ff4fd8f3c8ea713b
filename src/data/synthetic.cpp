#include "data/synthetic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/image.hpp"
#include "data/names.hpp"
#include "data/parts/shapes.hpp"
#include "data/random.hpp"
#include "data/workers.hpp"

namespace hone {

namespace fs = std::filesystem;

namespace {
/// Raised whenever the pictures of a seed change, so that a folder never mixes two generations.
constexpr int generator_version = 1;
constexpr const char* manifest_name = "parts.json";

struct Picture {
  fs::path path;
  std::string part;
  uint64_t seed = 0;
};

std::vector<Picture> list_pictures(const fs::path& folder, const GenerateOptions& options,
                                   const std::vector<std::string>& classes) {
  std::vector<Picture> pictures;
  int validation = std::max(1, options.images_per_class / 4);
  for (const std::string& part : classes)
    for (int i = 0; i < options.images_per_class + validation; ++i) {
      bool train = i < options.images_per_class;
      int number = train ? i : i - options.images_per_class;
      uint64_t seed =
          Rng::of(options.seed ^ parts::hash_name(part), train ? 0 : 1, static_cast<uint64_t>(number)).next_u64();
      pictures.push_back(
          {folder / (train ? "train" : "val") / part / fmt::format("{}{:04}.jpg", part, number), part, seed});
    }
  return pictures;
}

/// Notes the options in the folder, or checks that those noted there by an earlier run are the same.
void claim_folder(const fs::path& folder, const GenerateOptions& options, const std::vector<std::string>& classes) {
  make_writable_folder(folder);
  nlohmann::json manifest = {{"generator", "hone parts"}, {"version", generator_version},
                             {"seed", options.seed},      {"size", options.size},
                             {"classes", classes},        {"images_per_class", options.images_per_class}};
  fs::path file = folder / manifest_name;
  if (fs::exists(file)) {
    nlohmann::json before = nlohmann::json::parse(read_text_file(file), nullptr, false);
    if (before == manifest) return;
    throw Error(quoted(folder), "holds parts that were generated with other options",
                "remove it or choose another folder");
  }
  if (!fs::is_empty(folder))
    throw Error(quoted(folder), "is not empty", "choose a new folder for the generated images");
  write_file(file, manifest.dump(2) + "\n");
}
}  // namespace

void validate(const GenerateOptions& options, const std::vector<std::string>& classes) {
  if (options.images_per_class < 1 || options.images_per_class > 1'000'000)
    throw Error("generate", fmt::format("images_per_class is {}, expected 1 to 1000000", options.images_per_class));
  if (options.size < 16 || options.size > 4096)
    throw Error("generate", fmt::format("size is {}, expected 16 to 4096", options.size));
  for (size_t i = 0; i < classes.size(); ++i) {
    const std::vector<std::string>& known = part_classes();
    if (std::find(known.begin(), known.end(), classes[i]) == known.end())
      throw Error("generate", fmt::format("no part is called '{}'", classes[i]),
                  fmt::format("choose from {}", name_list(known)));
    if (std::find(classes.begin(), classes.begin() + static_cast<std::ptrdiff_t>(i), classes[i]) !=
        classes.begin() + static_cast<std::ptrdiff_t>(i))
      throw Error("generate", fmt::format("class '{}' is given twice", classes[i]));
  }
}

const std::vector<std::string>& part_classes() {
  static const std::vector<std::string> classes = {"bolt", "bracket", "gear", "nut", "spring", "washer"};
  return classes;
}

void generate_parts_dataset(const fs::path& folder, const GenerateOptions& options) {
  const std::vector<std::string>& classes = options.classes.empty() ? part_classes() : options.classes;
  validate(options, classes);
  claim_folder(folder, options, classes);
  for (const std::string& part : classes)
    for (const char* split : {"train", "val"}) make_writable_folder(folder / split / part);
  std::vector<Picture> pictures = list_pictures(folder, options, classes);
  std::erase_if(pictures, [](const Picture& picture) { return fs::exists(picture.path); });
  run_tasks(static_cast<int64_t>(pictures.size()), options.threads, "generate parts", options.progress, [&](int64_t i) {
    const Picture& picture = pictures[static_cast<size_t>(i)];
    int quality = Rng(picture.seed, 1).between(60, 95);
    write_file(picture.path, encode_jpeg(render_part(picture.part, options.size, picture.seed), quality));
  });
}

}  // namespace hone
