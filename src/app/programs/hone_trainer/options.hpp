#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "app/support/format.hpp"
#include "app/support/options.hpp"
#include "data/dataset.hpp"
#include "train/detection_trainer.hpp"
#include "train/segmentation_trainer.hpp"
#include "train/trainer.hpp"

namespace CLI {
class App;
}

namespace hone::app {

/// The options of `hone train`. What they mean by default depends on task, template and data: values come in layers,
/// each above the one before: defaults of the task for the data, the recipe of the template, the file --recipe, the
/// command line.
struct TrainCommandOptions {
  std::string data, format, task, output, template_name, size, backbone, cut, recipe, time, optimizer;
  double width = 1.0, dropout = 0.2;
  double validation_fraction = 0.2;
  double score_threshold = 0.01, nms_iou = 0.5;
  int search = 0;
  bool hierarchical = false, freeze_backbone = false, no_probe = false, unfold_norm = false, find_lr = false,
       json = false;
  ImageFlags pixels;  ///< --mean, --std, --channels: what the backbone was trained with
  TrainOptions train;
  SegmentationOptions segmentation;
  DetectionOptions detection;
  CLI::App* app = nullptr;

  void add(CLI::App& command);

  std::filesystem::path in_output(const std::string& name) const { return std::filesystem::path(output) / name; }
  std::filesystem::path checkpoint() const { return in_output("checkpoint.bin"); }
  /// True when the command line (of this or the interrupted run) or --recipe says what the option is.
  bool given(const std::string& option) const;
  /// Sets an option unless it is given, and remembers it for --resume; a text, a number or true.
  void choose(const std::string& name, const Json& value);
  /// What was chosen, by name without dashes.
  const Json& chosen() const { return chosen_; }
  /// Takes over what an interrupted run chose.
  void restore_chosen(const Json& chosen);

  /// The options of the run as given, for train.json and --resume.
  Json arguments() const;

  /// Options that are not given become what they were when the run began.
  void restore(const Json& arguments);
  /// Reads --recipe: {"lr": 0.01, "size": "160"}, names as on the command line. Throws Error for an unknown name.
  void read_recipe_file();
  /// The defaults of task and template, then all that is given again.
  void set_defaults(const std::string& known_template, Task task, const Dataset& train);

 private:
  void apply(const Json& values, const std::string& place);
  std::set<std::string> from_recipe_;  ///< names of options that --recipe or choose() set
  Json chosen_ = Json::object();
};

/// "10m", "90s", "1.5h" or a number of minutes, in minutes. Throws UsageError.
double parse_minutes(const std::string& option, const std::string& text);

}  // namespace hone::app
