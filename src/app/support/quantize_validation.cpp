#include "app/support/quantize_validation.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "graph/preprocess.hpp"

namespace hone::app {

Validation::Validation(const Graph& model, const std::filesystem::path& data, const DataFlags& images, const ImageFlags& flags,
                       const DeviceOptions& device)
    : flags_(flags), device_(device), labels_(flags.class_names(model)) {
  Classifier classifier(for_images(model), labels_, {device_});
  std::error_code ignored;
  std::filesystem::path own = data / "val";
  bool has_own = !images.given() && std::filesystem::is_directory(own, ignored);
  data_ = read_labelled_images(has_own ? own : data, classifier.labels(), images, no_progress());
  for (const Sample& sample : data_.samples)
    if (sample.label < 0 || sample.label >= classifier.classes())
      throw Error("'" + sample.path.string() + "'",
                  fmt::format("has label {}, the model has classes 0 to {}", sample.label, classifier.classes() - 1));
}

Graph Validation::for_images(const Graph& graph) const {
  Graph result = graph.clone();
  if (!takes_images(result)) attach_preprocess(result, flags_.preprocess(result));
  return result;
}

double Validation::top1(const Graph& graph, Progress& progress) const {
  Classifier classifier(for_images(graph), labels_, {device_});
  return evaluate(classifier, data_, progress).top1();
}

}  // namespace hone::app
