#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.hpp"
#include "base/file.hpp"
#include "devices/devices.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "run/session.hpp"
#include "temporary_folder.hpp"

/// A model file whose plan is in the cache is not imported; one that is not what it was then is.
namespace hone {
namespace {

namespace fs = std::filesystem;
using testing_tools::random_inputs;

const char* const model_text = R"(graph "g" {
  metadata "labels" = "cat\ndog"
  input %x: f32[N, 16, 8, 8]
  const %w: f32[16, 16, 3, 3] = random(1)
  %y = Conv(%x, %w) {pads=[1, 1, 1, 1]}
  output "y" = %y
})";

class CachedModel : public ::testing::Test {
 protected:
  CachedModel() { write_file(model_, model_text); }

  std::shared_ptr<PlanSource> load_model(int* imports) {
    auto import = [this, imports] {
      ++*imports;
      return parse_text(MappedFile::open(model_)->text());
    };
    return load_file(model_, import, {.threads = 1, .autotune = false, .cache_dir = (folder_ / "cache").string()});
  }
  /// Outputs for each batch; how often the model was imported for them is added to `imports`.
  std::vector<Tensor> run(const std::vector<int64_t>& batches, int* imports) {
    Session session(load_model(imports));
    std::vector<Tensor> outputs;
    for (int64_t batch : batches) outputs.push_back(session.run(random_inputs(parse_text(model_text), 1, batch))[0]);
    return outputs;
  }
  int imports_for(const std::vector<int64_t>& batches) {
    int imports = 0;
    run(batches, &imports);
    return imports;
  }

  TemporaryFolder folder_;
  fs::path model_ = folder_ / "model.txt";
};

TEST_F(CachedModel, ASecondStartReadsNeitherModelNorGraph) {
  int imports = 0;
  const auto first = run({1, 2}, &imports);
  EXPECT_EQ(imports, 1);
  const auto second = run({2, 1}, &imports);
  EXPECT_EQ(imports, 1);
  EXPECT_TRUE(identical(first[0], second[1]));
  EXPECT_TRUE(identical(first[1], second[0]));
  auto source = load_model(&imports);
  EXPECT_EQ(imports, 1);
  EXPECT_EQ(source->metadata().at("labels"), "cat\ndog");
  ASSERT_EQ(source->inputs().size(), 1u);
  EXPECT_EQ(source->inputs()[0].name, "x");
  EXPECT_EQ(to_string(source->inputs()[0].shape), "[N, 16, 8, 8]");
  EXPECT_EQ(source->outputs()[0].name, "y");
}

TEST_F(CachedModel, NewSizesNeedTheModel) {
  EXPECT_EQ(imports_for({1}), 1);
  EXPECT_EQ(imports_for({1}), 0);
  EXPECT_EQ(imports_for({1, 3}), 1);
  EXPECT_EQ(imports_for({3, 1}), 0);
}

TEST_F(CachedModel, AnotherContentIsAnotherModel) {
  int imports = 0;
  const auto before = run({1}, &imports);
  std::string text = model_text;
  text.replace(text.find("random(1)"), 9, "random(2)");
  const auto time = fs::last_write_time(model_);
  {  // the same file, size and time
    FILE* file = fopen(model_.c_str(), "r+");
    fwrite(text.data(), 1, text.size(), file);
    fclose(file);
  }
  fs::last_write_time(model_, time);
  const auto after = run({1}, &imports);
  EXPECT_EQ(imports, 2);
  EXPECT_FALSE(identical(before[0], after[0]));
  // What was there before is known still, wherever it lies.
  write_file(model_, model_text);
  EXPECT_EQ(imports_for({1}), 0);
}

TEST_F(CachedModel, ModelsOfSeveralFilesAreImported) {
  write_file(folder_ / "weights", "x");
  int imports = 0;
  auto import = [&] {
    ++imports;
    MappedFile::open(folder_ / "weights");
    return parse_text(MappedFile::open(model_)->text());
  };
  const DeviceOptions options{.threads = 1, .cache_dir = (folder_ / "cache").string()};
  for (int round = 0; round < 2; ++round)
    load_file(model_, import, options)->plan_for(std::vector<Dims>{{1, 16, 8, 8}});
  EXPECT_EQ(imports, 2);
}

TEST_F(CachedModel, DamagedOrMissingPartsAreMadeAnew) {
  int imports = 0;
  const auto expected = run({1}, &imports);
  for (const char* extension : {".model", ".plan", ".seen"})
    for (bool remove : {false, true}) {
      for (const auto& file : fs::directory_iterator(folder_ / "cache")) {
        if (file.path().extension() != extension) continue;
        if (remove) fs::remove(file.path());
        else write_file(file.path(), read_text_file(file.path()).substr(1));
      }
      EXPECT_TRUE(identical(run({1}, &imports)[0], expected[0])) << extension;
      EXPECT_EQ(imports_for({1}), 0) << extension;
    }
}

TEST_F(CachedModel, SizesThatDoNotFitAndMissingFilesAreErrorsAsWithoutACache) {
  imports_for({1});
  int imports = 0;
  auto source = load_model(&imports);
  EXPECT_THROW(source->plan_for(std::vector<Dims>{{1, 5, 8, 8}}), Error);
  EXPECT_NO_THROW(source->plan_for(std::vector<Dims>{{1, 16, 8, 8}}));
  fs::remove(model_);
  EXPECT_THROW(load_model(&imports), Error);
  EXPECT_THROW(load_file(model_, [] { return Graph(); }, {.device = "gpu"}), Error);
}

}  // namespace
}  // namespace hone
