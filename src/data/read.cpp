#include "data/read.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "data/formats/reader.hpp"
#include "data/names.hpp"

namespace hone {

namespace {
/// Candidates nearer to each other than this are not told apart.
constexpr double margin = 0.12;
constexpr double least_certainty = 0.4;

struct Choice {
  const Reader* reader;
  Candidate candidate;
};

std::string describe(const Choice& choice) {
  std::string tasks;
  for (Task task : choice.candidate.tasks) tasks += (tasks.empty() ? "" : ", ") + std::string(name_of(task));
  return fmt::format("{} for {}: {}", choice.reader->name, tasks, choice.candidate.why);
}

const Reader& reader_of(const std::string& name) {
  std::vector<std::string> names;
  for (const Reader& reader : readers()) {
    if (name == reader.name) return reader;
    names.emplace_back(reader.name);
  }
  std::vector<std::string> near = nearest_names(name, names, 1);
  throw Error("format", fmt::format("'{}' is none of {}", name, name_list(names, 20)),
              near.empty() ? "" : fmt::format("did you mean '{}'?", near[0]));
}

bool serves(const Candidate& candidate, Task task) {
  return std::find(candidate.tasks.begin(), candidate.tasks.end(), task) != candidate.tasks.end();
}

[[noreturn]] void throw_nothing_found(const Folder& folder, const DatasetOptions& options,
                                      const std::vector<Choice>& other) {
  std::string place = quoted(folder.root());
  if (!other.empty())
    throw Error(place,
                fmt::format("has no annotation for {}; found {}", options.task ? name_of(*options.task) : "any task",
                            describe(other[0])),
                "give data with such an annotation, or name another task");
  if (folder.images() == 0)
    throw Error(place, "has no images that a reader knows", "see hone data check --help for the formats");
  if (!options.format.empty())
    throw Error(place, fmt::format("is not in the format {}", options.format), reader_of(options.format).summary);
  throw Error(place, fmt::format("has {} images, but no annotation that a reader knows", folder.images()),
              "expected one sub-folder a class, or CSV, COCO, VOC, YOLO or mask files");
}

Choice choose(const Folder& folder, const DatasetOptions& options) {
  std::vector<Choice> choices, other;
  if (!options.format.empty()) reader_of(options.format);
  for (const Reader& reader : readers()) {
    if (!options.format.empty() && options.format != reader.name) continue;
    for (Candidate& candidate : reader.detect(folder)) {
      bool fits = (!options.task || serves(candidate, *options.task)) &&
                  candidate.where.find(options.where) != std::string::npos;
      // Boxes made from shapes are a second choice where the task's own annotation lies beside them.
      if (fits && options.task && candidate.tasks[0] != *options.task) candidate.certainty -= margin;
      bool sure = candidate.certainty >= least_certainty || !options.format.empty();
      (fits && sure ? choices : other).push_back({&reader, std::move(candidate)});
    }
  }
  if (choices.empty()) throw_nothing_found(folder, options, other);
  std::stable_sort(choices.begin(), choices.end(),
                   [](const Choice& a, const Choice& b) { return a.candidate.certainty > b.candidate.certainty; });
  std::string rivals;
  size_t count = 1;
  for (; count < choices.size() && choices[0].candidate.certainty - choices[count].candidate.certainty < margin - 1e-9;
       ++count) {
  }
  if (count == 1) return choices[0];
  bool same_tasks = true;
  for (size_t i = 0; i < count; ++i) {
    rivals += fmt::format("{}{}", i ? "; " : "", describe(choices[i]));
    same_tasks = same_tasks && choices[i].candidate.tasks == choices[0].candidate.tasks;
  }
  throw Error(quoted(folder.root()), fmt::format("has {} annotations: {}", count, rivals),
              same_tasks ? "say which one with --format, or give the annotation file instead of the folder"
                         : "say which one with --task or --format");
}

bool uses_objects(Task task) { return task == Task::detection || task == Task::instance_segmentation; }

/// Clips the boxes of a sample; takes out those that are not in the image or make no sense.
void check_objects(Dataset& dataset, Sample& sample) {
  auto classes = static_cast<int>(dataset.classes.size());
  std::vector<Annotation> kept;
  for (Annotation& object : sample.objects) {
    const Box& box = object.box;
    std::string place =
        fmt::format("{}: box {:.1f},{:.1f} {:.1f}x{:.1f}", quoted(sample.path), box.x, box.y, box.w, box.h);
    bool finite = std::isfinite(box.x) && std::isfinite(box.y) && std::isfinite(box.w) && std::isfinite(box.h);
    if (object.label < 0 || object.label >= classes) {
      dataset.problems.add("boxes whose class is not known were dropped",
                           fmt::format("{} class {} of {}", place, object.label, classes),
                           "add the class to the list of names");
      continue;
    }
    if (!finite || box.w <= 0 || box.h <= 0) {
      dataset.problems.add("empty boxes were dropped", place, "delete them");
      continue;
    }
    Box inside = clipped(box, sample.size.width, sample.size.height);
    if (inside.w < 0.5 || inside.h < 0.5) {
      bool outside = inside.w <= 0 || inside.h <= 0;
      dataset.problems.add(
          outside ? "boxes outside the image were dropped" : "boxes of less than half a pixel were dropped",
          fmt::format("{} in {}x{}", place, sample.size.width, sample.size.height),
          "was the image resized or rotated after labelling?");
      continue;
    }
    double excess =
        std::max({inside.x - box.x, inside.y - box.y, box.right() - inside.right(), box.bottom() - inside.bottom()});
    if (excess > 1.01)
      dataset.problems.add("boxes that reach outside the image were clipped",
                           fmt::format("{} in {}x{}", place, sample.size.width, sample.size.height));
    if (!object.mask.empty() && (object.mask.height != sample.size.height || object.mask.width != sample.size.width)) {
      dataset.problems.add("masks of another size than the image were dropped",
                           fmt::format("{}: mask {}x{}, image {}x{}", quoted(sample.path), object.mask.width,
                                       object.mask.height, sample.size.width, sample.size.height));
      object.mask = {};
    }
    if (object.box != inside && excess > 0) object.box = inside;
    bool twice = std::any_of(kept.begin(), kept.end(), [&](const Annotation& other) {
      return other.label == object.label && other.box == object.box;
    });
    if (twice)
      dataset.problems.add("boxes of the same class and place occur twice (kept)", place, "delete one of them");
    kept.push_back(std::move(object));
  }
  sample.objects = std::move(kept);
}

void finish(Dataset& dataset, const Folder& folder, const Choice& choice, const ReadRequest& request) {
  dataset.task = request.task;
  dataset.format = choice.reader->name;
  dataset.found = choice.candidate.why;
  if (uses_objects(request.task)) {
    bool measured = std::all_of(dataset.samples.begin(), dataset.samples.end(),
                                [](const Sample& sample) { return sample.size.width > 0; });
    if (!measured) measure_images(dataset, request);
    for (Sample& sample : dataset.samples) check_objects(dataset, sample);
  }
  if (dataset.samples.empty()) {
    const auto& problems = dataset.problems.list();
    throw Error(quoted(folder.root()),
                problems.empty() ? "has no labelled images"
                                 : fmt::format("none of its images can be used ({})", problems[0].what),
                problems.empty() || problems[0].places.empty() ? "" : "the first: " + problems[0].places[0]);
  }
  if (dataset.classes.empty())
    throw Error(quoted(folder.root()), "its annotation has no classes: there are no labels at all");
}
}  // namespace

Dataset read_dataset(const std::filesystem::path& path, const DatasetOptions& options) {
  Folder folder(path);
  Choice choice = choose(folder, options);
  ReadRequest request{options.task.value_or(choice.candidate.tasks[0]), choice.candidate, options.threads,
                      options.progress};
  Dataset dataset = choice.reader->read(folder, request);
  finish(dataset, folder, choice, request);
  return dataset;
}

bool FoundAnnotation::serves(Task task) const { return std::find(tasks.begin(), tasks.end(), task) != tasks.end(); }

std::vector<FoundAnnotation> find_annotations(const std::filesystem::path& path) {
  Folder folder(path);
  std::vector<Choice> choices;
  for (const Reader& reader : readers())
    for (Candidate& candidate : reader.detect(folder))
      if (candidate.certainty >= least_certainty) choices.push_back({&reader, std::move(candidate)});
  std::stable_sort(choices.begin(), choices.end(),
                   [](const Choice& a, const Choice& b) { return a.candidate.certainty > b.candidate.certainty; });
  std::vector<FoundAnnotation> found;
  for (const Choice& choice : choices)
    found.push_back({choice.reader->name, choice.candidate.tasks, choice.candidate.why, choice.reader->embedded});
  return found;
}

std::vector<FormatInfo> list_formats() {
  std::vector<FormatInfo> list;
  for (const Reader& reader : readers()) list.push_back({reader.name, reader.summary});
  return list;
}

void map_classes(Dataset& dataset, const std::vector<std::string>& classes) {
  std::vector<int64_t> counts = dataset.class_counts();
  std::vector<int> map(dataset.classes.size(), -1);
  for (size_t i = 0; i < map.size(); ++i) {
    const std::string& name = dataset.classes[i];
    if (!dataset.named) {
      map[i] = static_cast<int>(i);
      if (i < classes.size() || counts[i] == 0) continue;
      throw Error("class " + name, fmt::format("the model has only {} classes", classes.size()),
                  "give data of the classes that the model was trained for");
    }
    for (size_t c = 0; c < classes.size() && map[i] < 0; ++c)
      if (to_lower(classes[c]) == to_lower(name)) map[i] = static_cast<int>(c);
    if (map[i] >= 0 || (counts[i] == 0 && dataset.task != Task::segmentation)) continue;
    std::vector<std::string> near = nearest_names(name, classes);
    throw Error("class '" + name + "' of the data", fmt::format("is not a class of the model ({})", name_list(classes)),
                near.empty() ? "give data of the model's classes; if only names differ, --labels FILE gives those of the data"
                             : fmt::format("did you mean {}?", name_list(near)));
  }
  auto mapped = [&](int label) {
    return label < 0 || label >= static_cast<int>(map.size()) ? -1 : map[static_cast<size_t>(label)];
  };
  for (Sample& sample : dataset.samples) {
    sample.label = mapped(sample.label);
    for (int& label : sample.labels) label = mapped(label);
    std::sort(sample.labels.begin(), sample.labels.end());
    for (Annotation& object : sample.objects) object.label = mapped(object.label);
  }
  for (uint8_t& value : dataset.masks.class_of)
    if (value != mask_ignore) value = static_cast<uint8_t>(std::max(0, mapped(value)));
  dataset.classes = classes;
  dataset.named = true;
}

}  // namespace hone
