#include "data/synthetic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numbers>
#include <opencv2/imgproc.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/image.hpp"
#include "data/image_cv.hpp"
#include "data/names.hpp"
#include "data/parts/scene.hpp"
#include "data/random.hpp"
#include "data/workers.hpp"

namespace hone {

namespace fs = std::filesystem;

namespace {
/// Raised whenever the pictures of a seed change, so that a folder never mixes two generations.
constexpr int generator_version = 1;
constexpr const char* manifest_name = "parts.json";

/// Film response: highlights roll off, then the sRGB-like curve; a slight color cast of the camera.
void develop(cv::Mat& light, Rng& rng) {
  cv::Scalar cast(rng.uniform(0.92, 1.08), 1, rng.uniform(0.92, 1.08));
  cv::multiply(light, cast, light);
  light = -light;
  cv::exp(light, light);
  light = cv::Scalar::all(1) - light;
  cv::pow(cv::max(light, 0), 1 / 2.2, light);
}

void blur(cv::Mat& image, Rng& rng) {
  double unit = image.cols / 160.0;
  double sigma = rng.chance(0.8) ? rng.uniform(0, 0.6) : rng.uniform(0.6, 1.1);
  if (sigma > 0.2) cv::GaussianBlur(image, image, {0, 0}, sigma * unit);
  if (rng.chance(0.1)) {  // a shaken camera
    int length = std::max(3, static_cast<int>(rng.uniform(2, 4) * unit) | 1);
    cv::Mat kernel = cv::Mat::zeros(length, length, CV_32F);
    double angle = rng.uniform(0, std::numbers::pi), half = (length - 1) / 2.0;
    cv::Point2d step(std::cos(angle) * half, std::sin(angle) * half), middle(half, half);
    cv::line(kernel, middle - step, middle + step, cv::Scalar(1), 1, cv::LINE_AA);
    kernel /= cv::sum(kernel)[0];
    cv::filter2D(image, image, -1, kernel);
  }
}

void add_sensor_noise(cv::Mat& image, Rng& rng) {
  double strength = rng.uniform(0.004, 0.028), vignette = rng.uniform(0, 0.35);
  for (int y = 0; y < image.rows; ++y)
    for (int x = 0; x < image.cols; ++x) {
      double u = 2.0 * x / image.cols - 1, v = 2.0 * y / image.rows - 1;
      double fall = 1 - vignette * (u * u + v * v) / 2;
      double common = rng.normal();
      for (int c = 0; c < 3; ++c) {
        float& value = image.at<cv::Vec3f>(y, x)[c];
        value =
            static_cast<float>(value * fall + strength * (0.7 * common + 0.5 * rng.normal()) * std::sqrt(value + 0.1));
      }
    }
}

uint64_t hash_name(const std::string& name) {
  uint64_t hash = 14695981039346656037ULL;  // FNV-1a
  for (unsigned char c : name) hash = (hash ^ c) * 1099511628211ULL;
  return hash;
}

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
      uint64_t seed = Rng::of(options.seed ^ hash_name(part), train ? 0 : 1, static_cast<uint64_t>(number)).next_u64();
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
}  // namespace

const std::vector<std::string>& part_classes() {
  static const std::vector<std::string> classes = {"bolt", "bracket", "gear", "nut", "spring", "washer"};
  return classes;
}

Tensor render_part(const std::string& part, int size, uint64_t seed) {
  GenerateOptions options;
  options.size = size;
  validate(options, {part});
  use_single_threaded_opencv();
  Rng rng(seed, hash_name(part));
  int rows = std::max(1, size * 3 / 4);
  cv::Mat fine = parts::render(parts::random_scene(part, rng), rows * 2, size * 2), image;
  develop(fine, rng);
  cv::resize(fine, image, {size, rows}, 0, 0, cv::INTER_AREA);
  blur(image, rng);
  add_sensor_noise(image, rng);
  Tensor result = make_image(rows, size);
  cv::Mat view = view_of(result);
  image.convertTo(view, CV_8UC3, 255);
  return result;
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
