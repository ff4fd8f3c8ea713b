#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/log.hpp"
#include "graph/verify.hpp"
#include "import/import.hpp"

// Models of other programs, beside the project where they are.
namespace hone {
namespace {

namespace fs = std::filesystem;

TEST(RealModels, AllImport) {
  const char* variable = std::getenv("HONE_DATA");
  fs::path folder = (variable ? fs::path(variable) : fs::path(HONE_SOURCE_DIR) / ".." / "shared") / "models";
  if (!fs::exists(folder)) GTEST_SKIP() << "no models: set HONE_DATA to the folder of the real data";
  int count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".onnx") continue;
    SCOPED_TRACE(entry.path().filename().string());
    ++count;
    try {
      Graph graph = import_model(entry.path());
      verify(graph);
      EXPECT_FALSE(graph.nodes().empty());
      for (const GraphOutput& output : graph.outputs()) EXPECT_TRUE(output.value->shape().ranked) << output.name;
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
  EXPECT_GT(count, 0);
}

}  // namespace
}  // namespace hone
