#include <gmock/gmock.h>

#include "ops_a_support.hpp"

// Ops whose outputs depend on what occurs in their inputs: Compress, Unique, TfIdfVectorizer.
namespace hone::testing_ops {
namespace {

using Ints = std::vector<int64_t>;
using testing::HasSubstr;

Tensor matrix(Dims dims, const Ints& values) { return i64(values).reshaped(std::move(dims)); }

/// All outputs of a node whose inputs are known only while running; checks the inferred types.
std::vector<Tensor> run_all(const std::string& type, const std::vector<Tensor>& inputs, const Attributes& attributes,
                            int outputs) {
  Graph graph;
  std::vector<Value*> values;
  for (const Tensor& tensor : inputs) values.push_back(graph.add_input("x", tensor.dtype(), Shape(tensor.dims())));
  Node* node = graph.add(op_of(type, attributes), values, "node", outputs);
  for (Value* value : node->outputs()) graph.add_output("y", value);
  std::vector<Tensor> results = evaluate(graph, inputs);
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(node->output(i)->dtype(), results[i].dtype());
    EXPECT_TRUE(matches(node->output(i)->shape(), results[i].dims())) << i;
  }
  return results;
}

std::string run_failure(const std::string& type, const std::vector<Tensor>& inputs, const Attributes& attributes) {
  try {
    run_all(type, inputs, attributes, 1);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(OpsSelect, Compress) {
  Tensor x = matrix({3, 2}, {1, 2, 3, 4, 5, 6});
  auto compress = [&](const Tensor& condition, const Attributes& attributes) {
    return run("Compress", {x, condition}, attributes);
  };
  Tensor rows = compress(bools({0, 1, 1}), {{"axis", int64_t{0}}});
  EXPECT_EQ(rows.dims(), (Dims{2, 2}));
  EXPECT_EQ(rows.to_ints(), (Ints{3, 4, 5, 6}));
  EXPECT_EQ(compress(bools({0, 1}), {{"axis", int64_t{-1}}}).to_ints(), (Ints{2, 4, 6}));
  EXPECT_EQ(compress(bools({0, 1, 0, 0, 1}), {}).to_ints(), (Ints{2, 5})) << "a short condition leaves out the rest";
  EXPECT_EQ(compress(bools({0}), {{"axis", int64_t{0}}}).dims(), (Dims{0, 2}));
  Tensor words({2}, {std::string("a"), std::string("b")});
  EXPECT_EQ(run_all("Compress", {words, bools({0, 1})}, {}, 1)[0].strings(), (std::vector<std::string>{"b"}));
  EXPECT_THAT(run_failure("Compress", {x, bools({0, 0, 1})}, {{"axis", int64_t{1}}}),
              HasSubstr("picks position 2 of an axis of size 2"));
  EXPECT_THAT(failure("Compress", {x, i64({0, 1})}), HasSubstr("condition is i64, expected bool"));
  EXPECT_THAT(failure("Compress", {x, bools({1})}, {{"axis", int64_t{2}}}), HasSubstr("axis is 2"));
}

TEST(OpsSelect, UniqueElements) {
  Tensor x = f32({2, 1, 1, 3, 4, 3});
  auto sorted = run_all("Unique", {x}, {}, 4);
  EXPECT_EQ(sorted[0].to_floats(), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(sorted[1].to_ints(), (Ints{1, 0, 3, 4}));
  EXPECT_EQ(sorted[2].to_ints(), (Ints{1, 0, 0, 2, 3, 2}));
  EXPECT_EQ(sorted[3].to_ints(), (Ints{2, 1, 2, 1}));
  auto in_order = run_all("Unique", {x}, {{"sorted", int64_t{0}}}, 4);
  EXPECT_EQ(in_order[0].to_floats(), (std::vector<float>{2, 1, 3, 4}));
  EXPECT_EQ(in_order[2].to_ints(), (Ints{0, 1, 1, 2, 3, 2}));
  auto nans = run_all("Unique", {f32({nan, 1, nan})}, {}, 4);
  EXPECT_EQ(nans[3].to_ints(), (Ints{1, 2}));
  EXPECT_EQ(run_all("Unique", {f32({})}, {}, 1)[0].size(), 0);
  Tensor words({3}, {std::string("b"), std::string("a"), std::string("b")});
  EXPECT_EQ(run_all("Unique", {words}, {}, 1)[0].strings(), (std::vector<std::string>{"a", "b"}));
}

TEST(OpsSelect, UniqueSlices) {
  auto rows = run_all("Unique", {matrix({3, 2}, {3, 1, 1, 9, 3, 1})}, {{"axis", int64_t{0}}}, 4);
  EXPECT_EQ(rows[0].dims(), (Dims{2, 2}));
  EXPECT_EQ(rows[0].to_ints(), (Ints{1, 9, 3, 1}));
  EXPECT_EQ(rows[1].to_ints(), (Ints{1, 0}));
  EXPECT_EQ(rows[2].to_ints(), (Ints{1, 0, 1}));
  auto columns = run_all("Unique", {matrix({2, 3}, {2, 1, 2, 5, 6, 5})}, {{"axis", int64_t{-1}}}, 4);
  EXPECT_EQ(columns[0].to_ints(), (Ints{1, 2, 6, 5}));
  EXPECT_EQ(columns[3].to_ints(), (Ints{1, 2}));
  EXPECT_THAT(failure("Unique", {f32({1})}, {{"axis", int64_t{1}}}), HasSubstr("axis is 1"));
}

Attributes bigrams(const std::string& mode, int64_t skip) {
  return {{"mode", mode},
          {"min_gram_length", int64_t{1}},
          {"max_gram_length", int64_t{2}},
          {"max_skip_count", skip},
          {"ngram_counts", Ints{0, 2}},
          {"ngram_indexes", Ints{3, 0, 1, 2}},
          {"pool_int64s", Ints{7, 8, 7, 8, 8, 9}},  // 7 and 8, then 7 8 and 8 9
          {"weights", std::vector<float>{2, 3, 5, 7}}};
}

TEST(OpsSelect, TfIdfVectorizer) {
  Tensor x = i64({7, 8, 7, 9});
  EXPECT_EQ(run("TfIdfVectorizer", {x}, bigrams("TF", 0)).to_floats(), (std::vector<float>{1, 1, 0, 2}));
  // With one element skipped 8 . 9 is there, too.
  EXPECT_EQ(run("TfIdfVectorizer", {x}, bigrams("TF", 1)).to_floats(), (std::vector<float>{1, 1, 1, 2}));
  EXPECT_EQ(run("TfIdfVectorizer", {x}, bigrams("IDF", 0)).to_floats(), (std::vector<float>{3, 5, 0, 2}));
  EXPECT_EQ(run("TfIdfVectorizer", {x}, bigrams("TFIDF", 0)).to_floats(), (std::vector<float>{3, 5, 0, 4}));
  Tensor batch = run("TfIdfVectorizer", {matrix({2, 2}, {7, 8, 9, 9}).cast(DType::i32)}, bigrams("TF", 5));
  EXPECT_EQ(batch.dims(), (Dims{2, 4}));
  EXPECT_EQ(batch.to_floats(), (std::vector<float>{1, 1, 0, 1, 0, 0, 0, 0}));
  EXPECT_THAT(failure("TfIdfVectorizer", {x}, bigrams("DF", 0)), HasSubstr("expected TF, IDF or TFIDF"));
  EXPECT_THAT(failure("TfIdfVectorizer", {x}, {{"ngram_counts", Ints{5}}}), HasSubstr("does not cut a pool of 0"));
  EXPECT_THAT(run_failure("TfIdfVectorizer", {f32({1})}, bigrams("TF", 0)), HasSubstr("input is f32"));
}

}  // namespace
}  // namespace hone::testing_ops
