#include "onnxruntime.hpp"

#include <cstdlib>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "temporary_folder.hpp"

namespace hone::peers {

namespace {

namespace fs = std::filesystem;
const fs::path source = HONE_SOURCE_DIR;

const struct {
  DType type;
  const char* name;
} type_names[] = {{DType::f32, "float32"}, {DType::u8, "uint8"}, {DType::i8, "int8"}, {DType::i64, "int64"},
                  {DType::i32, "int32"},   {DType::f64, "float64"}, {DType::boolean, "bool"}};

std::string peer_name(DType type) {
  for (const auto& entry : type_names)
    if (entry.type == type) return entry.name;
  throw Error("peer", std::string("cannot pass ") + name_of(type));
}

DType own_type(const std::string& name) {
  for (const auto& entry : type_names)
    if (name == entry.name) return entry.type;
  throw Error("peer", "unknown type " + name);
}

}  // namespace

std::string why_not_available() {
  if (std::system("node --version >/dev/null 2>&1") != 0) return "node is not installed";
  if (!fs::exists(source / "build/peers/node_modules/onnxruntime-node"))
    return "onnxruntime-node is not installed (scripts/test does)";
  return {};
}

std::vector<Tensor> run_onnxruntime(const fs::path& model, std::span<const Tensor> inputs) {
  TemporaryFolder scratch;
  nlohmann::json job{{"model", fs::absolute(model).string()}, {"threads", 1}, {"outputs", scratch.path().string()}};
  job["inputs"] = nlohmann::json::array();
  for (size_t i = 0; i < inputs.size(); ++i) {
    fs::path file = scratch / fmt::format("in{}.bin", i);
    write_file(file, std::string_view(static_cast<const char*>(inputs[i].raw()), inputs[i].bytes()));
    job["inputs"].push_back(
        {{"type", peer_name(inputs[i].dtype())}, {"dims", inputs[i].dims()}, {"file", file.string()}});
  }
  write_file(scratch / "job.json", job.dump());
  std::string command =
      fmt::format("NODE_PATH='{}' node '{}' '{}' >'{}' 2>'{}'", (source / "build/peers/node_modules").string(),
                  (source / "bench/onnxruntime.cjs").string(), (scratch / "job.json").string(),
                  (scratch / "report.json").string(), (scratch / "errors").string());
  if (std::system(command.c_str()) != 0) throw Error("ONNX Runtime", read_text_file(scratch / "errors"));
  auto report = nlohmann::json::parse(read_text_file(scratch / "report.json"));
  std::vector<Tensor> outputs;
  for (size_t i = 0; i < report["outputs"].size(); ++i) {
    const auto& output = report["outputs"][i];
    auto file = MappedFile::open(scratch / fmt::format("{}.bin", i));
    outputs.push_back(
        Tensor(own_type(output["type"]), output["dims"].get<Dims>(), file->bytes().data(), file->bytes().size(), file)
            .clone());
  }
  return outputs;
}

fs::path data_folder() {
  const char* variable = std::getenv("HONE_DATA");
  fs::path folder = variable ? fs::path(variable) : source / "../shared";
  return fs::exists(folder / "models") ? folder : fs::path();
}

double worst_relative(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.dims(), b.dims());
  std::vector<float> x = a.to_floats(), y = b.to_floats();
  double worst = 0, largest = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    worst = std::max(worst, std::abs(double{x[i]} - y[i]));
    largest = std::max(largest, std::abs(double{y[i]}));
  }
  return worst == 0 ? 0 : worst / largest;
}

}  // namespace hone::peers
