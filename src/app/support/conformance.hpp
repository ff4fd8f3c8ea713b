#pragma once
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "devices/devices.hpp"
#include "tensor/tensor.hpp"

/// The tests that ONNX publishes for its backends: a model, inputs and the outputs that it must give.
namespace hone::app {

struct ConformanceCase {
  std::string group;  ///< "node": the folder that holds the folder of the case
  std::string name;   ///< "test_add_bcast"
  std::filesystem::path model;
  /// Files of one run of the model, in the order of its inputs and outputs. No inputs at all where the suite leaves
  /// them to the runner (its light models): i / n for element i of n.
  struct Data {
    std::vector<std::filesystem::path> inputs, outputs;
  };
  std::vector<Data> data;
  double rtol = 1e-3,
         atol = 1e-7;  ///< |got - expected| <= atol + rtol * |expected|; data.json beside the model sets them
};

/// Cases below `folder`, by group and name: `model.onnx` beside `test_data_set_N/{input,output}_M.pb`, and `X.onnx`
/// beside `X_output_M.pb`. Throws Error when there are none.
std::vector<ConformanceCase> find_conformance_cases(const std::filesystem::path& folder);

/// Cases that need not pass, and why. A line of the file is `PATTERN  reason`; empty lines and those that begin with #
/// say nothing. A pattern is a glob on the name of the case, or of "op=", "domain=" and "type=" on what its model uses
/// (model_features.hpp): `op=Bernoulli`, `type=float8*`.
class IgnoreList {
 public:
  /// Throws Error(place, ...) naming the line that has no reason.
  IgnoreList(const std::string& place, std::string_view text);
  /// The list that comes with the program.
  static IgnoreList standard();
  /// The reason of the first line whose glob is the name; empty when there is none.
  std::string by_name(const std::string& name) const;
  /// The reason of the first line about what the model uses; empty when there is none.
  std::string by_feature(const std::set<std::string>& features) const;

 private:
  struct Line {
    std::string pattern, reason;
  };
  std::vector<Line> names_, features_;
};

enum class Verdict { passed, failed, ignored };
const char* verdict_name(Verdict verdict);

struct ConformanceResult {
  Verdict verdict = Verdict::passed;
  /// What differs or what error came, or why the case is ignored.
  std::string reason;
  /// Passed although a line of the ignore list names it: that line should go.
  bool stale = false;
};

/// Runs the case. Problems of any kind make it fail, and one that failed is ignored when `ignored` says so.
ConformanceResult run_conformance_case(const ConformanceCase& test, const DeviceOptions& options,
                                       const IgnoreList& ignored);

/// What is wrong with `got` (type, sizes or the first value out of tolerance); empty when nothing is. NaN equals NaN.
std::string difference(const Tensor& got, const Tensor& expected, double rtol, double atol);

/// True when the whole of `text` is `glob`, where * stands for any characters and ? for one.
bool matches_glob(const std::string& text, const std::string& glob);

}  // namespace hone::app
