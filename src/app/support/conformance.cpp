#include "app/support/conformance.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "app/support/format.hpp"
#include "app/support/model_features.hpp"
#include "base/error.hpp"
#include "import/import.hpp"
#include "import/onnx/model.hpp"
#include "run/session.hpp"

namespace hone::app {

namespace {

namespace fs = std::filesystem;

/// The files PREFIX_0.pb, PREFIX_1.pb ... of a folder.
std::vector<fs::path> numbered_files(const fs::path& folder, const std::string& prefix) {
  std::vector<fs::path> files;
  for (fs::path file; file = folder / fmt::format("{}_{}.pb", prefix, files.size()), fs::exists(file);)
    files.push_back(file);
  return files;
}

void read_tolerance(ConformanceCase& test) {
  fs::path file = test.model.parent_path() / "data.json";
  if (!fs::exists(file)) return;
  Json json = read_json_file(file);
  auto read = [&](const char* key, double& value) {
    if (!json.is_object() || !json.contains(key)) return;
    if (!json[key].is_number())
      throw Error(fmt::format("'{}'", file.string()), fmt::format("'{}' is no number", key));
    value = json[key].get<double>();
  };
  read("rtol", test.rtol);
  read("atol", test.atol);
}

/// model.onnx with its folders of data, or X.onnx with X_output_M.pb; no data when `model` is neither.
ConformanceCase read_case(const fs::path& model) {
  ConformanceCase test;
  test.model = model;
  fs::path folder = model.parent_path();
  if (model.filename() == "model.onnx") {
    test.name = folder.filename();
    test.group = folder.parent_path().filename();
    for (int i = 0; fs::is_directory(folder / fmt::format("test_data_set_{}", i)); ++i) {
      fs::path set = folder / fmt::format("test_data_set_{}", i);
      test.data.push_back({numbered_files(set, "input"), numbered_files(set, "output")});
    }
  } else {
    test.name = model.stem();
    test.group = folder.filename();
    std::vector<fs::path> outputs = numbered_files(folder, test.name + "_output");
    if (!outputs.empty()) test.data.push_back({{}, std::move(outputs)});
  }
  if (!test.data.empty()) read_tolerance(test);
  return test;
}

Tensor read_tensor_file(const fs::path& path) {
  onnx::ExternalFiles external(path);
  return onnx::read_tensor(onnx::WireReader(MappedFile::open(path)), external, fmt::format("'{}'", path.string()))
      .tensor;
}

/// Older suites hold bfloat16 as the uint16 of the same bits, for want of a numpy type, and compare these numbers.
Tensor with_type(const Tensor& tensor, DType from, DType to, DType wanted) {
  if (tensor.dtype() != from || wanted != to) return tensor;
  return Tensor(to, tensor.dims(), tensor.raw(), tensor.bytes(), tensor.owner());
}

/// i / n: what ONNX feeds the models that it publishes without inputs.
Tensor made_up_input(const Value& input) {
  Dims dims;
  for (const Dim& dim : input.shape().dims) dims.push_back(dim.known() ? dim.value : 1);
  Tensor tensor(DType::f32, dims);
  auto values = tensor.mutable_data<float>();
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(static_cast<double>(i) / static_cast<double>(values.size()));
  return tensor.cast(input.dtype());
}

std::vector<Tensor> read_inputs(const Graph& graph, const ConformanceCase::Data& data) {
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < data.inputs.size(); ++i) {
    DType wanted = i < graph.inputs().size() ? graph.inputs()[i]->dtype() : DType::undefined;
    inputs.push_back(with_type(read_tensor_file(data.inputs[i]), DType::u16, DType::bf16, wanted));
  }
  if (data.inputs.empty())
    for (const Value* input : graph.inputs()) inputs.push_back(made_up_input(*input));
  return inputs;
}

/// Some models of older suites declare sizes that their own data does not have: the data is what counts.
Graph import_for(const ConformanceCase& test) {
  Graph graph = import_model(test.model);
  std::vector<Tensor> inputs = read_inputs(graph, test.data.front());
  bool changed = false;
  for (size_t i = 0; i < inputs.size() && i < graph.inputs().size(); ++i) {
    Value* input = graph.inputs()[i];
    if (matches(input->shape(), inputs[i].dims())) continue;
    graph.set_input_type(input, {input->dtype(), Shape(inputs[i].dims())});
    changed = true;
  }
  if (changed) graph.infer();
  return graph;
}

/// What differs in one run of the model; empty when nothing does.
std::string run_data(Session& session, const std::vector<Tensor>& inputs, const ConformanceCase& test,
                     const ConformanceCase::Data& data) {
  std::vector<Tensor> outputs = session.run(inputs);
  if (outputs.size() != data.outputs.size())
    return fmt::format("gives {} outputs, expected {}", outputs.size(), data.outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    Tensor expected = read_tensor_file(data.outputs[i]);
    Tensor got = with_type(outputs[i], DType::bf16, DType::u16, expected.dtype());
    std::string problem = difference(got, expected, test.rtol, test.atol);
    if (!problem.empty()) return fmt::format("output '{}' {}", session.outputs()[i].name, problem);
  }
  return {};
}

std::string run_model(const ConformanceCase& test, const DeviceOptions& options) {
  try {
    Graph graph = import_for(test);
    Session session(load(graph, options));
    for (const auto& data : test.data)
      if (std::string problem = run_data(session, read_inputs(graph, data), test, data); !problem.empty())
        return problem;
    return {};
  } catch (const std::exception& error) {
    return error.what();
  }
}

/// The first element where `same` does not hold, said in words.
template <class T, class Same>
std::string first_difference(const Tensor& got, const Tensor& expected, Same same) {
  auto a = got.data<T>(), b = expected.data<T>();
  size_t first = a.size(), count = 0;
  for (size_t i = 0; i < a.size(); ++i)
    if (!same(a[i], b[i])) first = std::min(first, i), ++count;
  if (count == 0) return {};
  auto show = [](T value) {
    if constexpr (std::is_integral_v<T>) return fmt::format("{}", +value);
    else return fmt::format("{:.9g}", static_cast<double>(value));
  };
  return fmt::format("differs in {} of {} elements, first in element {}: {}, expected {}", count, a.size(), first,
                     show(a[first]), show(b[first]));
}

}  // namespace

bool matches_glob(const std::string& text, const std::string& glob) {
  return ::fnmatch(glob.c_str(), text.c_str(), 0) == 0;
}

std::string difference(const Tensor& got, const Tensor& expected, double rtol, double atol) {
  if (got.dtype() != expected.dtype() || got.dims() != expected.dims())
    return fmt::format("is {}{}, expected {}{}", name_of(got.dtype()), to_string(got.dims()), name_of(expected.dtype()),
                       to_string(expected.dims()));
  if (got.dtype() == DType::string) return got.strings() == expected.strings() ? "" : "has other strings";
  return dispatch(got.dtype(), [&](auto tag) {
    using T = decltype(tag);
    return first_difference<T>(got, expected, [&](T a, T b) {
      auto x = static_cast<double>(a), y = static_cast<double>(b);
      if constexpr (std::is_integral_v<T>)
        if (a == b) return true;
      if (std::isnan(x) || std::isnan(y)) return std::isnan(x) && std::isnan(y);
      if (std::isinf(x) || std::isinf(y)) return x == y;
      return std::abs(x - y) <= atol + rtol * std::abs(y);
    });
  });
}

std::vector<ConformanceCase> find_conformance_cases(const fs::path& folder) {
  std::string place = fmt::format("'{}'", folder.string());
  if (!fs::is_directory(folder)) throw Error(place, "is not a folder", "give the folder of the suite, unpacked");
  std::vector<ConformanceCase> cases;
  fs::path whole = fs::canonical(folder);  // a case is named after its folder, also when that is "."
  for (const auto& entry : fs::recursive_directory_iterator(whole, fs::directory_options::skip_permission_denied)) {
    if (entry.path().extension() != ".onnx" || !entry.is_regular_file()) continue;
    ConformanceCase test = read_case(entry.path());
    if (!test.data.empty()) cases.push_back(std::move(test));
  }
  if (cases.empty())
    throw Error(place, "holds no case: no model.onnx beside a folder test_data_set_0",
                "ONNX's own are in Debian's libonnx-testdata and in onnx/backend/test/data of its sources");
  std::sort(cases.begin(), cases.end(), [](const ConformanceCase& a, const ConformanceCase& b) {
    return std::tie(a.group, a.name, a.model) < std::tie(b.group, b.name, b.model);
  });
  return cases;
}

IgnoreList::IgnoreList(const std::string& place, std::string_view text) {
  size_t number = 0;
  for (size_t begin = 0; begin < text.size(); ++number) {
    size_t end = std::min(text.find('\n', begin), text.size());
    std::string line(text.substr(begin, end - begin));
    begin = end + 1;
    line.erase(line.find_last_not_of(" \t\r") + 1);
    if (line.empty() || line[0] == '#') continue;
    size_t gap = line.find_first_of(" \t");
    size_t reason = gap == std::string::npos ? gap : line.find_first_not_of(" \t", gap);
    if (reason == std::string::npos || gap == 0)
      throw Error(place, fmt::format("line {} is '{}', expected 'PATTERN  reason'", number + 1, line));
    Line entry{line.substr(0, gap), line.substr(reason)};
    (entry.pattern.find('=') == std::string::npos ? names_ : features_).push_back(std::move(entry));
  }
}

std::string IgnoreList::by_name(const std::string& name) const {
  for (const Line& line : names_)
    if (matches_glob(name, line.pattern)) return line.reason;
  return {};
}

std::string IgnoreList::by_feature(const std::set<std::string>& features) const {
  for (const Line& line : features_)
    for (const std::string& feature : features)
      if (matches_glob(feature, line.pattern)) return line.reason;
  return {};
}

const char* verdict_name(Verdict verdict) {
  return verdict == Verdict::passed ? "passed" : verdict == Verdict::failed ? "failed" : "ignored";
}

ConformanceResult run_conformance_case(const ConformanceCase& test, const DeviceOptions& options,
                                       const IgnoreList& ignored) {
  std::string problem = run_model(test, options), reason = ignored.by_name(test.name);
  if (problem.empty()) return {Verdict::passed, reason, !reason.empty()};
  if (!reason.empty()) return {Verdict::ignored, reason};
  try {
    reason = ignored.by_feature(model_features(test.model));
  } catch (const Error&) {
    return {Verdict::failed, problem};  // a damaged model, as `problem` says
  }
  return reason.empty() ? ConformanceResult{Verdict::failed, problem} : ConformanceResult{Verdict::ignored, reason};
}

}  // namespace hone::app
