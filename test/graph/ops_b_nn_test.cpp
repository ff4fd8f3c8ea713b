#include "ops_a_support.hpp"

#include <gmock/gmock.h>

#include <numeric>

#include "graph/ops/nn/conv.hpp"
#include "graph/ops/nn/pooling/max_pool.hpp"
#include "graph/ops/nn/window.hpp"
#include "graph/text.hpp"

// Expected numbers come from PyTorch 1.13 (layers) and from the tests of the ONNX specification (Resize).
namespace hone::testing_ops {
namespace {

using Ints = std::vector<int64_t>;
using testing::HasSubstr;

Tensor count_up(Dims dims, float first = 1) {
  std::vector<float> values(static_cast<size_t>(element_count(dims)));
  std::iota(values.begin(), values.end(), first);
  return f32(std::move(dims), values);
}

Tensor image() { return count_up({1, 1, 4, 4}); }
Tensor filter() { return f32({1, 1, 3, 3}, {1, -2, 3, 0.5f, 1, -1, 2, 0, 1}); }

/// All outputs of a node with `outputs` of them.
std::vector<Tensor> run_all(const std::string& type, const std::vector<Tensor>& inputs, const Attributes& attributes,
                            int outputs) {
  Graph graph;
  std::vector<Value*> values;
  for (const Tensor& tensor : inputs) values.push_back(graph.add_constant("c", tensor));
  Node* node = graph.add(op_of(type, attributes), values, "node", outputs);
  for (Value* value : node->outputs()) graph.add_output("y", value);
  std::vector<Tensor> results = evaluate(graph, {});
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(node->output(i)->dtype(), results[i].dtype());
    EXPECT_TRUE(matches(node->output(i)->shape(), results[i].dims())) << type;
  }
  return results;
}

TEST(OpsNn, ConvPadsStridesAndDilates) {
  expect_near(run("Conv", {image(), filter()}, {{"pads", Ints{1, 1, 1, 1}}}),
              {5, 16.5, 20, 19.5, 13, 36.5, 42, 28.5, 21, 58.5, 64, 38.5, 11, 27.5, 30, 10.5});
  expect_near(run("Conv", {image(), filter()},
                  {{"pads", Ints{2, 2, 2, 2}}, {"dilations", Ints{2, 2}}, {"strides", Ints{2, 2}}}),
              {9, 21.5, 5, 10.5});
  expect_near(run("Conv", {image(), filter()}, {{"auto_pad", std::string("SAME_UPPER")}}),
              {5, 16.5, 20, 19.5, 13, 36.5, 42, 28.5, 21, 58.5, 64, 38.5, 11, 27.5, 30, 10.5});
}

TEST(OpsNn, ConvGroupsAndRanks) {
  expect_near(
      run("Conv", {count_up({1, 4, 2, 1}, 0), count_up({4, 2, 1, 1}), f32({1, 2, 3, 4})}, {{"group", int64_t{2}}}),
      {5, 8, 10, 17, 59, 70, 80, 95});
  expect_near(
      run("Conv", {count_up({1, 1, 5}), f32({1, 1, 3}, {1, 0, -1})}, {{"strides", Ints{2}}, {"pads", Ints{1, 1}}}),
      {-2, -2, 4});
  expect_near(run("Conv", {count_up({1, 1, 2, 2, 2}, 0), f32({1, 1, 2, 2, 2}, std::vector<float>(8, 1))},
                  {{"strides", Ints{2, 2, 2}}, {"pads", Ints(6, 1)}}), {0, 1, 2, 3, 4, 5, 6, 7});
}

/// One output element of a 2-D convolution with one group, by the definition.
double conv_at(const Tensor& x, const Tensor& w, int64_t m, int64_t row, int64_t column, int64_t stride, int64_t pad) {
  double sum = 0;
  for (int64_t c = 0; c < x.dim(1); ++c)
    for (int64_t h = 0; h < w.dim(2); ++h)
      for (int64_t k = 0; k < w.dim(3); ++k) {
        int64_t y = row * stride + h - pad, at = column * stride + k - pad;
        if (y < 0 || y >= x.dim(2) || at < 0 || at >= x.dim(3)) continue;
        sum += static_cast<double>(x.data<float>()[static_cast<size_t>((c * x.dim(2) + y) * x.dim(3) + at)]) *
               static_cast<double>(
                   w.data<float>()[static_cast<size_t>(((m * x.dim(1) + c) * w.dim(2) + h) * w.dim(3) + k)]);
      }
  return sum;
}

Tensor wave(Dims dims) {
  std::vector<float> values(static_cast<size_t>(element_count(dims)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i * 7 % 1013));
  return f32(std::move(dims), values);
}

TEST(OpsNn, ConvInManyBlocksIsTheDefinition) {
  // Large enough that rows (and, in the second case, a single row) are computed in several parts.
  for (auto [x, w] :
       {std::pair{wave({1, 16, 41, 50}), wave({3, 16, 5, 5})}, {wave({1, 500, 2, 300}), wave({3, 500, 3, 3})}}) {
    for (int64_t stride : {1, 2}) {
      Tensor y = run("Conv", {x, w}, {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{stride, stride}}});
      std::vector<double> wanted;
      for (int64_t m = 0; m < y.dim(1); ++m)
        for (int64_t row = 0; row < y.dim(2); ++row)
          for (int64_t column = 0; column < y.dim(3); ++column)
            wanted.push_back(conv_at(x, w, m, row, column, stride, 1));
      expect_near(y, wanted, 1e-3);
    }
  }
}

TEST(OpsNn, ConvInEveryFloatType) {
  for (DType dtype : {DType::f64, DType::f16, DType::bf16}) {
    Tensor y = run("Conv", {image().cast(dtype), filter().cast(dtype)});
    EXPECT_EQ(y.dtype(), dtype);
    expect_near(y, {36.5, 42, 58.5, 64}, 0.005);
  }
}

TEST(OpsNn, ConvSaysWhatDoesNotFit) {
  EXPECT_THAT(
      failure("Conv", {count_up({1, 3, 8, 8}), count_up({8, 64, 3, 3})}),
      HasSubstr("weight has 64 input channels, input 'c' has 3; pass --layout nhwc if the model is channels-last"));
  EXPECT_THAT(failure("Conv", {image(), filter()}, {{"strides", Ints{0, 1}}}), HasSubstr("strides [0, 1]"));
  EXPECT_THAT(failure("Conv", {image(), filter()}, {{"pads", Ints{-1, 0, 0, 0}}}), HasSubstr("pads [-1, 0, 0, 0]"));
  EXPECT_THAT(failure("Conv", {image(), filter()}, {{"pads", Ints{INT64_MAX, 0, 0, 0}}}), HasSubstr("pads ["));
  EXPECT_THAT(failure("Conv", {image(), filter()}, {{"dilations", Ints{2, 2}}}),
              HasSubstr("smaller than the window (5)"));
  EXPECT_THAT(failure("Conv", {image(), filter()}, {{"kernel_shape", Ints{5, 5}}}),
              HasSubstr("the weight has a kernel of [3, 3]"));
  EXPECT_THAT(failure("Conv", {image(), filter()}, {{"group", int64_t{0}}}), HasSubstr("group is 0"));
  EXPECT_THAT(failure("Conv", {count_up({1, 4, 2, 2}), count_up({3, 2, 1, 1})}, {{"group", int64_t{2}}}),
              HasSubstr("groups do not divide"));
  EXPECT_THAT(failure("Conv", {image(), filter(), f32({1, 2})}), HasSubstr("bias has shape [2], expected [1]"));
  EXPECT_THAT(failure("Conv", {image(), filter()}, {{"auto_pad", std::string("SAME")}}),
              HasSubstr("auto_pad is 'SAME'"));
  EXPECT_THAT(failure("Conv", {count_up({1, 3}), filter()}), HasSubstr("expected [N, C, spatial...]"));
}

TEST(OpsNn, ConvKeepsSymbolicSizes) {
  Graph graph;
  Value* x = graph.add_input("x", DType::f32, Shape{Dim::named("N"), 3, Dim::named("H"), 224});
  Value* w = graph.add_constant("w", Tensor::zeros(DType::f32, {8, 3, 3, 3}));
  Node* node = graph.add(op_of("Conv", {{"pads", Ints{1, 1, 1, 1}}}), {x, w}, "same");
  EXPECT_EQ(to_string(node->output()->type), "f32[N, 8, H, 224]");
  node = graph.add(op_of("Conv", {{"strides", Ints{2, 2}}}), {x, w}, "half");
  EXPECT_EQ(to_string(node->output()->type), "f32[N, 8, ?, 111]");
}

TEST(OpsNn, WindowResolvesAutoPad) {
  ops::Conv conv;
  conv.auto_pad = "SAME_LOWER";
  conv.strides = {2};
  ops::Window window = ops::resolve_window("conv", ops::window_attributes(conv), {6}, {3});
  EXPECT_EQ(window.pads_begin, (Dims{1}));
  EXPECT_EQ(window.pads_end, (Dims{0}));
  EXPECT_EQ(ops::output_size(window, 0, 6), 3);
  ops::MaxPool pool;
  pool.kernel_shape = {2};
  pool.strides = {3};
  pool.pads = {0, 1};
  pool.ceil_mode = 1;
  // The third window would begin in the padding.
  EXPECT_EQ(ops::output_size(ops::resolve_window("pool", ops::window_attributes(pool), {6}), 0, 6), 2);
}

TEST(OpsNn, ConvTranspose) {
  Tensor x = f32({1, 1, 2, 2}, {1, 2, 3, 4});
  expect_near(run("ConvTranspose", {x, filter()},
                  {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}, {"output_padding", Ints{1, 1}}}),
              {1, 0, 2, -2, -6, 18, -8, 14, 3, -1, 4, -4, 0, 11, 0, 4});
  expect_near(run("ConvTranspose", {f32({1, 2, 2}, {1, 2, 3, 4}), f32({2, 1, 2}, {1, 2, 3, 4}), f32({10, 20})},
                  {{"group", int64_t{2}}, {"dilations", Ints{2}}}), {11, 12, 12, 14, 29, 32, 32, 36});
  EXPECT_EQ(run("ConvTranspose", {x, filter()},
                {{"strides", Ints{3, 2}}, {"output_shape", Ints{10, 8}}, {"output_padding", Ints{1, 1}}})
                .dims(),
            (Dims{1, 1, 10, 8}));
  EXPECT_EQ(
      run("ConvTranspose", {x, filter()}, {{"strides", Ints{2, 2}}, {"auto_pad", std::string("SAME_UPPER")}}).dims(),
      (Dims{1, 1, 4, 4}));
  EXPECT_THAT(failure("ConvTranspose", {x, filter()}, {{"output_padding", Ints{1, 1}}}),
              HasSubstr("output_padding is 1"));
  EXPECT_THAT(failure("ConvTranspose", {x, filter()}, {{"pads", Ints{2, 2, 2, 2}}}), HasSubstr("leave nothing"));
}

TEST(OpsNn, Pools) {
  Attributes pool{
      {"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}, {"ceil_mode", int64_t{1}}};
  std::vector<Tensor> both = run_all("MaxPool", {image()}, pool, 2);
  expect_near(both[0], {6, 8, 8, 14, 16, 16, 14, 16, 16});
  EXPECT_EQ(both[1].to_ints(), (Ints{5, 7, 7, 13, 15, 15, 13, 15, 15}));
  expect_near(run("AveragePool", {image()}, pool), {3.5, 5, 6, 9.5, 11, 12, 13.5, 15, 16});
  pool["count_include_pad"] = int64_t{1};
  expect_near(run("AveragePool", {image()}, pool), {1.555556, 3.333333, 2, 6.333333, 11, 6, 4.5, 7.5, 4});
  expect_near(run("MaxPool", {image()}, {{"kernel_shape", Ints{2, 2}}, {"dilations", Ints{2, 2}}}), {11, 12, 15, 16});
  expect_near(run("MaxPool", {image().cast(DType::u8)}, {{"kernel_shape", Ints{4, 4}}}), {16});
  pool["storage_order"] = int64_t{1};
  pool.erase("count_include_pad");
  EXPECT_EQ(run_all("MaxPool", {image()}, pool, 2)[1].to_ints(), (Ints{5, 13, 13, 7, 15, 15, 7, 15, 15}));
  expect_near(run("GlobalAveragePool", {count_up({1, 2, 2, 2})}), {2.5, 6.5});
  expect_near(run("GlobalMaxPool", {count_up({1, 2, 4})}), {4, 8});
  EXPECT_THAT(failure("MaxPool", {image()}), HasSubstr("kernel_shape is missing"));
  EXPECT_THAT(failure("MaxPool", {image()}, {{"kernel_shape", Ints{0, 1}}}), HasSubstr("kernel_shape [0, 1]"));
  EXPECT_THAT(failure("AveragePool", {image()}, {{"kernel_shape", Ints{9, 9}}}),
              HasSubstr("smaller than the window (9)"));
  Tensor wide = Tensor::zeros(DType::f32, {1, 1, 1});
  Attributes absurd{{"kernel_shape", Ints{1}}, {"pads", Ints{1 << 30, 1 << 30}}};
  EXPECT_THROW(run("MaxPool", {wide}, absurd), Error);
  EXPECT_THROW(run("Conv", {wide, wide}, absurd), Error);
}

TEST(OpsNn, Normalizations) {
  Tensor x = f32({1, 4, 2}, {1, 2, 3, 4, -1, 0, 1, 2});
  expect_near(run("GroupNormalization", {x, f32({1, 2, 3, 4}), f32({0, 0, 1, 1})}, {{"num_groups", int64_t{2}}}),
              {-1.341635, -0.447212, 0.894424, 2.683271, -3.024906, -0.341635, 2.788847, 6.366542});
  expect_near(run("LayerNormalization", {x, f32({1, 1})}),
              {-0.99998, 0.99998, -0.99998, 0.99998, -0.99998, 0.99998, -0.99998, 0.99998});
  expect_near(run("InstanceNormalization", {x, f32({1, 1, 2, 1}), f32({0, 0, 0, 1})}),
              {-0.99998, 0.99998, -0.99998, 0.99998, -1.99996, 1.99996, 0.00002, 1.99998});
  expect_near(run("BatchNormalization", {x, f32({1, 2, 1, 1}), f32({0, 1, 0, 0}), f32({1, 2, 0, 0}), f32({1, 4, 1, 1})},
                  {{"epsilon", 0.0f}}),
              {0, 1, 2, 3, -1, 0, 1, 2});
  expect_near(run("LRN", {x}, {{"size", int64_t{3}}, {"alpha", 0.3f}, {"beta", 0.5f}, {"bias", 2.0f}}),
              {0.57735, 1.0, 1.703886, 2.0, -0.567962, 0.0, 0.6742, 1.290994});
  std::vector<Tensor> all = run_all("LayerNormalization", {x, f32({2, 4}, std::vector<float>(8, 1)).reshaped({4, 2})},
                                    {{"axis", int64_t{1}}}, 3);
  expect_near(all[1], {1.5});
  EXPECT_EQ(all[2].dims(), (Dims{1, 1, 1}));
  EXPECT_THAT(failure("BatchNormalization", {x, f32({1}), f32({1}), f32({1}), f32({1})}),
              HasSubstr("scale has shape [1], expected [4]"));
  EXPECT_THAT(failure("GroupNormalization", {x, f32({1}), f32({1})}, {{"num_groups", int64_t{3}}}),
              HasSubstr("num_groups is 3"));
}

TEST(OpsNn, MatrixProducts) {
  Tensor a = count_up({2, 3}), b = count_up({3, 2});
  expect_near(run("MatMul", {a, b}), {22, 28, 49, 64});
  expect_near(run("MatMul", {f32({1, 2, 3}), b}), {22, 28});
  expect_near(run("MatMul", {a, f32({1, 0, 1})}), {4, 10});
  EXPECT_EQ(run("MatMul", {f32({1, 2}), f32({3, 4})}).dims(), Dims{});
  EXPECT_EQ(run("MatMul", {count_up({4, 1, 2, 3}), count_up({5, 3, 2})}).dims(), (Dims{4, 5, 2, 2}));
  EXPECT_EQ(run("MatMul", {ints(DType::i32, {2, 3}), ints(DType::i32, {-4, 5})}).to_ints(), (Ints{7}));
  expect_near(run("Gemm", {a, b, f32({1, 2})}, {{"alpha", 0.5f}, {"beta", 2.0f}}), {13, 18, 26.5, 36});
  expect_near(run("Gemm", {b, a}, {{"transA", int64_t{1}}, {"transB", int64_t{1}}}), {22, 49, 28, 64});
  expect_near(run("Gemm", {count_up({1, 10}), count_up({1, 10})}, {{"transB", int64_t{1}}}), {385});
  EXPECT_THAT(failure("MatMul", {a, a}), HasSubstr("cannot multiply [2, 3] by [2, 3]: 3 columns meet 2 rows"));
  EXPECT_THAT(failure("Gemm", {count_up({2, 3, 1, 1}), b}), HasSubstr("flatten the input first"));
  EXPECT_THAT(failure("Gemm", {a, b, f32({1, 2, 3})}), HasSubstr("does not broadcast to [2, 2]"));
}

TEST(OpsNn, GemmOfIntegers) {
  for (DType dtype : {DType::i32, DType::i64, DType::u32, DType::u64}) {
    auto make = [&](Dims dims, const std::vector<int64_t>& values) { return ints(dtype, values).reshaped(dims); };
    Tensor a = make({1, 2}, {3, 5}), b = make({2, 2}, {1, 2, 3, 4}), c = ints(dtype, {10, 20});
    EXPECT_TRUE(identical(run("Gemm", {a, b, c}), make({1, 2}, {28, 46})));
    EXPECT_TRUE(identical(run("Gemm", {a, b, c}, {{"transB", int64_t{1}}, {"alpha", 2.0f}}), make({1, 2}, {36, 78})));
    // 9 + 5 and 13 + 10
    EXPECT_TRUE(identical(run("Gemm", {a, b, c}, {{"alpha", 0.5f}, {"beta", 0.5f}}), make({1, 2}, {14, 23})));
  }
  Tensor product = run("Gemm", {ints(DType::i32, {-3}).reshaped({1, 1}), ints(DType::i32, {5}).reshaped({1, 1})},
                       {{"alpha", -2.0f}});
  EXPECT_TRUE(identical(product, ints(DType::i32, {30}).reshaped({1, 1})));
}

TEST(OpsNn, BlocksAndDropout) {
  Tensor x = count_up({1, 8, 1, 2}, 0);
  expect_near(run("DepthToSpace", {x}, {{"blocksize", int64_t{2}}}),
              {0, 4, 1, 5, 8, 12, 9, 13, 2, 6, 3, 7, 10, 14, 11, 15});
  expect_near(run("DepthToSpace", {x}, {{"blocksize", int64_t{2}}, {"mode", std::string("CRD")}}),
              {0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15});
  Tensor space = run("DepthToSpace", {x}, {{"blocksize", int64_t{2}}});
  EXPECT_TRUE(identical(run("SpaceToDepth", {space}, {{"blocksize", int64_t{2}}}), x));
  std::vector<Tensor> both = run_all("Dropout", {f32({1, 2})}, {}, 2);
  EXPECT_TRUE(identical(both[0], f32({1, 2})));
  EXPECT_EQ(both[1].to_ints(), (Ints{1, 1}));
  EXPECT_THAT(failure("DepthToSpace", {x}, {{"blocksize", int64_t{3}}}), HasSubstr("not a multiple"));
  EXPECT_THAT(failure("SpaceToDepth", {x}), HasSubstr("blocksize is 0"));
}

Tensor resize(const Tensor& x, const std::vector<float>& scales, const Ints& sizes, Attributes attributes) {
  return run("Resize", {x, Tensor(), scales.empty() ? Tensor() : f32(scales), sizes.empty() ? Tensor() : i64(sizes)},
             attributes);
}

TEST(OpsNn, ResizeAsTheSpecificationSays) {
  std::string linear = "linear", cubic = "cubic";
  Tensor x = image(), small = f32({1, 1, 2, 2}, {1, 2, 3, 4});
  expect_near(resize(x, {1, 1, 0.6f, 0.6f}, {}, {{"mode", linear}, {"antialias", int64_t{1}}}),
              {2.875, 4.5, 9.375, 11});
  expect_near(resize(x, {1, 1, 0.6f, 0.6f}, {}, {{"mode", cubic}, {"antialias", int64_t{1}}}),
              {2.5180721, 4.2858863, 9.589329, 11.357142});
  expect_near(resize(x, {}, {1, 1, 3, 3}, {{"mode", linear}, {"antialias", int64_t{1}}}),
              {2.3636363, 3.590909, 4.818182, 7.2727275, 8.5, 9.727273, 12.181818, 13.409091, 14.636364});
  expect_near(resize(f32({1, 1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8}), {1, 1, 0.6f, 0.6f}, {},
                     {{"mode", linear}, {"coordinate_transformation_mode", std::string("align_corners")}}),
              {1, 3.142857});
  expect_near(resize(small, {1, 1, 2.3f, 2.94f}, {},
                     {{"mode", linear}, {"coordinate_transformation_mode", std::string("half_pixel_symmetric")}}),
              {1,          1.15986395, 1.5,        1.84013605, 2,          1.56521738, 1.72508133,
               2.06521738, 2.40535343, 2.56521738, 2.43478262, 2.59464657, 2.93478262, 3.27491867,
               3.43478262, 3,          3.15986395, 3.5,        3.84013605, 4});
  expect_near(resize(small, {2, 2}, {}, {{"axes", Ints{2, 3}}}), {1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4});
  Tensor crop = run("Resize", {x, f32({0.4f, 0.6f, 0.6f, 1.7f}), Tensor(), i64({3, 3})},
                    {{"mode", linear}, {"axes", Ints{2, 3}}, {"extrapolation_value", 10.0f},
                     {"coordinate_transformation_mode", std::string("tf_crop_and_resize")}});
  expect_near(crop, {7.6, 10, 10, 8.8, 10, 10, 10, 10, 10}, 1e-4);
}

TEST(OpsNn, ResizeAsPyTorch) {
  Tensor row = f32({1, 1, 1, 7}, {1, 4, 2, 8, 5, 7, 3});
  std::string linear = "linear";
  expect_near(resize(row, {}, {1, 1, 1, 3}, {{"mode", linear}}), {3, 8, 5.666667});
  expect_near(resize(row, {}, {1, 1, 1, 3},
                     {{"mode", linear}, {"coordinate_transformation_mode", std::string("align_corners")}}),
              {1, 8, 3});
  expect_near(
      resize(row, {}, {1, 1, 1, 3}, {{"mode", linear}, {"antialias", int64_t{1}}, {"exclude_outside", int64_t{1}}}),
      {2.5, 5.588236, 5.142858});
  expect_near(resize(row, {}, {1, 1, 1, 10}, {{"mode", std::string("cubic")}}),
              {0.756157, 2.87275, 3.652344, 1.880905, 6.215657, 7.547186, 4.984219, 6.863279, 5.428939, 2.674874});
  expect_near(
      resize(row, {}, {1, 1, 1, 4},
             {{"nearest_mode", std::string("floor")}, {"coordinate_transformation_mode", std::string("asymmetric")}}),
      {1, 4, 8, 7});
}

TEST(OpsNn, ResizeSizesAndErrors) {
  Tensor x = Tensor::zeros(DType::f32, {1, 1, 2, 4});
  auto policy = [&](const char* name) {
    return resize(x, {}, {7, 8}, {{"axes", Ints{2, 3}}, {"keep_aspect_ratio_policy", std::string(name)}}).dims();
  };
  EXPECT_EQ(policy("not_larger"), (Dims{1, 1, 4, 8}));
  EXPECT_EQ(policy("not_smaller"), (Dims{1, 1, 7, 14}));
  EXPECT_EQ(run("Resize", {f32({1, 1, 1, 2}, {0, 255}).cast(DType::u8), Tensor(), f32({1, 1, 1, 2})},
                {{"mode", std::string("linear")}})
                .to_ints(),
            (Ints{0, 64, 191, 255}));
  EXPECT_EQ(resize(x, {1, 1, 0.1f, 1}, {}, {}).dims(), (Dims{1, 1, 0, 4}));
  EXPECT_THAT(failure("Resize", {x}), HasSubstr("has neither scales nor sizes"));
  EXPECT_THAT(failure("Resize", {x, Tensor(), f32({1, 1})}), HasSubstr("scales has 2 entries, expected 4"));
  EXPECT_THAT(failure("Resize", {x, Tensor(), f32({1, 1, -1, 1})}), HasSubstr("scale is -1"));
  EXPECT_THAT(failure("Resize", {x, Tensor(), f32({1, 1, 1, nan})}), HasSubstr("scale is nan"));
  EXPECT_THAT(failure("Resize", {x, Tensor(), f32({1, 1, 1, 1})}, {{"mode", std::string("area")}}),
              HasSubstr("mode is 'area'"));
  EXPECT_THROW(resize(x, {1, 1, 1e6f, 1e6f}, {}, {}), Error);
  EXPECT_TRUE(op_of("Resize", {})->has(Trait::scale_preserving));
  EXPECT_FALSE(op_of("Resize", {{"mode", std::string("linear")}})->has(Trait::scale_preserving));
}

TEST(OpsNn, ResizeByAbsurdScales) {
  const char* text = R"(graph "open" {
    input %x: f32[N, 1, 8, 8]
    const %scales: f32[4] = [1, 1, 1e32, 1]
    %y = Resize(%x, _, %scales)
    output %y
  })";
  EXPECT_THROW(parse_text(text), Error);  // found by fuzzing: a size of 8e32 was made an integer
  Attributes smooth = {{"mode", std::string("linear")}, {"antialias", int64_t{1}}};
  EXPECT_EQ(resize(Tensor::zeros(DType::f32, {1, 1, 2, 4}), {1, 1, 1e-30f, 1}, {}, smooth).dims(), (Dims{1, 1, 0, 4}));
}

TEST(OpsNn, GridSampleAsPyTorch) {
  Tensor grid = f32({1, 1, 4, 2}, {-1, -1, 0, 0, 0.7f, -0.2f, 1.5f, 1});
  auto sample = [&](const char* mode, const char* padding) {
    return run("GridSample", {image(), grid}, {{"mode", std::string(mode)}, {"padding_mode", std::string(padding)}});
  };
  expect_near(sample("linear", "zeros"), {0.25, 8.5, 8.3, 0});
  expect_near(sample("linear", "border"), {1, 8.5, 8.3, 16});
  expect_near(sample("linear", "reflection"), {1, 8.5, 8.3, 15.5});
  expect_near(sample("cubic", "zeros"), {0.015625, 8.5, 8.9878, -0.785156});
  Tensor whole = image().cast(DType::i32), sampled = run("GridSample", {whole, grid});
  EXPECT_TRUE(identical(sampled, ints(DType::i32, {0, 8, 8, 0}).reshaped(sampled.dims())));
  Tensor nothing = run("GridSample", {f32({0, 1, 2, 2}, {}), f32({0, 3, 4, 2}, {})});
  EXPECT_EQ(nothing.dims(), (Dims{0, 1, 3, 4}));
  EXPECT_THAT(failure("GridSample", {image(), f32({1, 1, 4, 2}, {})}, {{"mode", std::string("area")}}),
              HasSubstr("mode is 'area'"));
}

TEST(OpsNn, RoiAlignPoolsRegions) {
  // The mean over the pixels of a linear ramp is its value at the center of the region.
  Tensor y = run("RoiAlign", {image(), f32({1, 4}, {1, 1, 3, 3}), i64({0})},
                 {{"output_height", int64_t{2}}, {"output_width", int64_t{2}}, {"sampling_ratio", int64_t{2}}});
  expect_near(y, {6, 7, 10, 11});
  EXPECT_THROW(run("RoiAlign", {image(), f32({1, 4}, {0, 0, 1e9f, 1e9f}), i64({0})}), Error);
  EXPECT_THROW(run("RoiAlign", {image(), f32({1, 4}, {0, 0, 1, 1}), i64({3})}), Error);
}

}  // namespace
}  // namespace hone::testing_ops
