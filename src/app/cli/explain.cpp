#include <algorithm>
#include <charconv>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/cli/program.hpp"
#include "app/support/draw_results.hpp"
#include "app/support/format.hpp"
#include "app/support/model_argument.hpp"
#include "app/support/range.hpp"
#include "app/explain/saliency.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/interrupt.hpp"
#include "base/nearest.hpp"
#include "data/names.hpp"

namespace hone::app {

namespace {

struct ExplainOptions {
  std::string model, output, method = "activation", layer, class_name, decoder;
  std::vector<std::string> images;
  std::optional<double> score;
  int objects = 0;
  ImageFlags image;
  DeviceFlags device;
  bool json = false;

  void add(CLI::App& app) {
    app.add_option("MODEL", model, "model file: a classifier, a detector or a segmenter")
        ->required()
        ->transform(model_or_its_folder());
    app.add_option("IMAGE", images, "image files, or folders of images")->required()->default_str("");
    app.add_option("-o,--output", output, "folder for the pictures")->required();
    app.add_option("--method", method, "activation, eigen-cam or recipro-cam");
    app.add_option("--class", class_name,
                   "the class that is explained, by name or number; default: what the model sees first");
    app.add_option("--layer", layer,
                   "value or node whose output is the feature map; default: the last one before the global pooling");
    app.add_option("--score", score, "objects below this score are not drawn (0.3)")->check(in_range(0.0, 1.0));
    app.add_option("--objects", objects,
                   "detectors: a picture for each of the N surest objects (of --class); recipro-cam has at least one")
        ->check(in_range(1, 1000))
        ->default_str("");
    app.add_option("--decoder", decoder, "how a detector's raw head is read; default: known by its outputs");
    app.add_flag("--json", json, "print JSON");
    image.add(app);
    device.add(app);
  }
};

/// The index of a class by its name (any case) or number. Throws Error with near names.
int find_class(const std::string& wanted, const std::vector<std::string>& labels) {
  for (size_t i = 0; i < labels.size(); ++i)
    if (to_lower(labels[i]) == to_lower(wanted)) return static_cast<int>(i);
  int index = -1;
  auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), index);
  if (error == std::errc() && !*end && index >= 0 && (labels.empty() || index < static_cast<int>(labels.size())))
    return index;
  std::vector<std::string> near = nearest_words(wanted, labels, 3);
  throw Error("--class", fmt::format("the model has no class '{}'", wanted),
              near.empty() ? "give its number" : fmt::format("near: {}", fmt::join(near, ", ")));
}

/// The place of the largest value, in pixels of the image.
std::pair<int, int> peak_of(const Tensor& map, const Tensor& image) {
  auto values = map.data<float>();
  auto at = std::max_element(values.begin(), values.end()) - values.begin();
  int64_t y = at / map.dim(1), x = at % map.dim(1);
  return {static_cast<int>((2 * x + 1) * image.dim(1) / (2 * map.dim(1))),
          static_cast<int>((2 * y + 1) * image.dim(0) / (2 * map.dim(0)))};
}

class Explain {
 public:
  explicit Explain(const ExplainOptions& options)
      : o_(options),
        method_(parse_saliency_method(options.method)),
        model_(open_image_model(options.model, options.image, options.decoder)),
        saliency_(model_, method_, options.layer, {options.device.options(), options.score}) {
    if (!o_.class_name.empty()) label_ = find_class(o_.class_name, model_.labels);
  }

  int run() {
    std::vector<std::pair<std::filesystem::path, std::filesystem::path>> files;  // and where they were asked for
    for (const std::string& image : o_.images)
      for (std::filesystem::path& file : list_images(image)) files.emplace_back(std::move(file), image);
    make_writable_folder(o_.output);
    bool all_read = true;
    for (auto& [file, root] : files) {
      check_interrupt("hone explain");
      try {
        explain(file, root, decode_image(file));
      } catch (const Interrupted&) {
        throw;
      } catch (const Error& error) {
        all_read = false;
        fmt::print(stderr, "hone: '{}': {}\n", file.string(), error.problem());
        json_.push_back({{"file", file.string()}, {"error", error.problem()}});
      }
    }
    if (o_.json) print_json(Json{{"method", name_of(method_)}, {"layer", saliency_.layer()}, {"images", json_}});
    return all_read ? exit_done : exit_failed;
  }

 private:
  /// "dog 93%  eigen-cam", and the boxes of the class.
  Marks describe(const Findings& found, int label) const {
    Marks all = marks_of(found, saliency_.predictor(), 1), marks;
    for (const ObjectMark& one : all.objects)
      if (one.label == label) marks.objects.push_back(one);
    std::string text = saliency_.predictor().label(label);
    if (static_cast<size_t>(label) < found.probabilities.size())
      text += " " + format_percent(found.probabilities[static_cast<size_t>(label)]);
    marks.lines.emplace_back(-1, text);
    marks.status = name_of(method_);
    return marks;
  }

  /// `object`: its number on the picture, from 1; 0: none.
  std::filesystem::path target(const std::filesystem::path& file, const std::filesystem::path& root, int object) const {
    std::error_code ignored;
    std::filesystem::path relative =
        std::filesystem::is_directory(root, ignored) ? file.lexically_relative(root) : file.filename();
    std::string name = (relative.parent_path() / relative.stem()).string();
    std::replace(name.begin(), name.end(), '/', '_');
    std::string number = object > 0 && o_.objects > 0 ? fmt::format(".{}", object) : "";
    return std::filesystem::path(o_.output) / fmt::format("{}.{}{}.png", name, name_of(method_), number);
  }

  void explain(const std::filesystem::path& file, const std::filesystem::path& root, const Tensor& image) {
    Findings found = saliency_.see(image);
    bool one_by_one = model_.task == Task::detection && (o_.objects > 0 || method_ == SaliencyMethod::recipro_cam);
    if (one_by_one) {
      if (label_) std::erase_if(found.objects, [&](const Detection& one) { return one.label != *label_; });
      found.objects.resize(std::min<size_t>(found.objects.size(), static_cast<size_t>(std::max(1, o_.objects))));
    }
    std::optional<int> label = label_ && !one_by_one ? label_ : saliency_.first_class(found);
    if (!label) {
      if (o_.json) json_.push_back({{"file", file.string()}, {"class", nullptr}});
      else fmt::print("{}: nothing found; --class says what to look for, --score how sure it must be\n", file.string());
      return;
    }
    if (!found.probabilities.empty() && *label >= static_cast<int>(found.probabilities.size()))
      throw Error("--class", fmt::format("the model has classes 0 to {}", found.probabilities.size() - 1));
    if (!one_by_one)
      return write(file, target(file, root, 0), image, saliency_.map(*label), describe(found, *label), *label, nullptr);
    int number = 0;
    for (const Detection& object : found.objects) {
      Findings alone;
      alone.objects = {object};
      write(file, target(file, root, ++number), image, saliency_.map(object), describe(alone, object.label),
            object.label, &object);
    }
  }

  /// `object`: what the map is about, nullptr: the class.
  void write(const std::filesystem::path& file, const std::filesystem::path& path, const Tensor& image,
             const Tensor& map, Marks marks, int label, const Detection* object) {
    int scale = enlargement({static_cast<int>(image.dim(0)), static_cast<int>(image.dim(1))});
    for (ObjectMark& one : marks.objects)
      one.box = {one.box.x * scale, one.box.y * scale, one.box.w * scale, one.box.h * scale};
    Tensor picture =
        resize_linear(image, static_cast<int>(image.dim(0)) * scale, static_cast<int>(image.dim(1)) * scale).clone();
    overlay_heat(picture, map);
    write_file(path, encode_png(draw_marks(picture, marks)));
    auto [x, y] = peak_of(map, image);
    if (!o_.json) return fmt::print("{}: {}  {}\n", file.string(), marks.lines[0].second, path.string());
    Json json = {{"file", file.string()},
                 {"class", label},
                 {"label", saliency_.predictor().label(label)},
                 {"picture", path.string()},
                 {"peak", {x, y}}};
    if (object)
      json["object"] = {{"score", object->score},
                        {"box", {object->box.x, object->box.y, object->box.right(), object->box.bottom()}}};
    json_.push_back(std::move(json));
  }

  const ExplainOptions& o_;
  SaliencyMethod method_;
  ImageModel model_;
  Saliency saliency_;
  std::optional<int> label_;
  Json json_ = Json::array();
};

int explain(const ExplainOptions& options) { return Explain(options).run(); }

}  // namespace

Action add_explain(CLI::App& app) {
  auto options = std::make_shared<ExplainOptions>();
  options->add(app);
  return [options] { return explain(*options); };
}

}  // namespace hone::app
