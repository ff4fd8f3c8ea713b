// Quantized models keep every batch size that their source has.
#include "graph/batch.hpp"

#include <cstring>

#include <gtest/gtest.h>

#include "models.hpp"

namespace hone {
namespace {

using test::Net;
using test::reference_runner;
using test::samples;
using test::source_of;

Value* integers(Net& net, const std::vector<int64_t>& values) {
  return net.graph.add_constant("sizes", Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values));
}

/// The first `count` sizes of x, computed from it as exporters do, and then others.
Value* sizes_of(Net& net, Value* x, int64_t count, const std::vector<int64_t>& others) {
  std::vector<int64_t> first;
  for (int64_t i = 0; i < count; ++i) first.push_back(i);
  Value* taken = net.apply("Gather", {net.apply("Shape", {x}, "shape"), integers(net, first)}, "first");
  return net.apply("Concat", {taken, integers(net, others)}, "wanted", {{"axis", int64_t{0}}});
}

struct Case {
  const char* name;
  void (*build)(Net& net, Value* x);
};
void PrintTo(const Case& network, std::ostream* out) { *out << network.name; }

void resized(Net& net, Value* x) {
  Value* pooled = net.conv(net.apply("GlobalAveragePool", {x}, "pool"), 8, 1, "c2");
  Value* large = net.apply("Resize", {pooled, nullptr, nullptr, sizes_of(net, pooled, 2, {6, 6})}, "resize",
                           {{"mode", std::string("linear")}});
  net.output(net.conv(net.apply("Concat", {x, large}, "cat", {{"axis", int64_t{1}}}), 4, 1, "c3"));
}

void reshaped(Net& net, Value* x) {
  Value* split = net.apply("Reshape", {x, sizes_of(net, x, 1, {2, 4, 6, 6})}, "split");
  Value* turned = net.apply("Transpose", {split}, "turned", {{"perm", std::vector<int64_t>{0, 2, 1, 3, 4}}});
  Value* back = net.apply("Reshape", {turned, sizes_of(net, x, 1, {8, 6, 6})}, "back");
  net.output(net.conv(back, 4, 1, "c2"));
}

void expanded(Net& net, Value* x) {
  Value* token = net.graph.add_constant("token", net.normal({1, 2, 6, 6}, 1));
  Value* tokens = net.apply("Expand", {token, sizes_of(net, x, 1, {2, 6, 6})}, "tokens");
  net.output(net.conv(net.apply("Concat", {tokens, x}, "cat", {{"axis", int64_t{1}}}), 4, 1, "c2"));
}

// Sizes as other exporters write them: the batch is a constant.
void written(Net& net, Value* x) {
  Value* large = net.apply("Resize", {x, nullptr, nullptr, integers(net, {1, 8, 12, 12})}, "resize");
  net.output(net.gemm(net.apply("Reshape", {net.conv(large, 2, 1, "c2"), integers(net, {1, 288})}, "flat"), 4, "fc"));
}

Tensor slice_of(const Tensor& batch, int64_t index) {
  Dims dims = batch.dims();
  dims[0] = 1;
  Tensor one(batch.dtype(), dims);
  std::memcpy(one.mutable_raw(), static_cast<const char*>(batch.raw()) + index * static_cast<int64_t>(one.bytes()),
              one.bytes());
  return one;
}

class QuantizedBatch : public testing::TestWithParam<std::tuple<Case, bool>> {};

TEST_P(QuantizedBatch, TwoAtATimeAreTwoOneByOne) {
  auto [network, fixed] = GetParam();
  Net net(5);
  Value* x = net.graph.add_input("x", DType::f32, Shape{fixed ? Dim(1) : Dim::named("N"), 3, 6, 6});
  network.build(net, net.relu(net.conv(x, 8, 3, "c1"), "r1"));
  Net single(6);
  single.input("x", {1, 3, 6, 6});
  auto calibration = samples(single.graph, 4);
  Graph quantized = quantize(net.graph, source_of(calibration), reference_runner);
  EXPECT_EQ(quantized.inputs()[0]->shape(), net.graph.inputs()[0]->shape());
  EXPECT_EQ(quantized.outputs()[0].value->shape()[0], fixed ? Dim(1) : Dim::named("N"));
  Tensor pair = single.normal({2, 3, 6, 6}, 1);
  std::vector<Tensor> one_by_one;
  for (int64_t i : {0, 1}) one_by_one.push_back(evaluate(quantized, std::vector<Tensor>{slice_of(pair, i)})[0]);
  if (fixed) set_batch(quantized, 2);
  Tensor together = evaluate(quantized, std::vector<Tensor>{pair})[0];
  ASSERT_EQ(together.dim(0), 2);
  for (int64_t i : {0, 1})
    EXPECT_EQ(slice_of(together, i).to_floats(), one_by_one[static_cast<size_t>(i)].to_floats()) << "image " << i;
}

INSTANTIATE_TEST_SUITE_P(Networks, QuantizedBatch,
                         testing::Combine(testing::Values(Case{"Resize", resized}, Case{"Reshape", reshaped},
                                                          Case{"Expand", expanded}),
                                          testing::Bool()),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) +
                                  (std::get<1>(info.param) ? "FixedBatch" : "FreeBatch");
                         });
INSTANTIATE_TEST_SUITE_P(WrittenSizes, QuantizedBatch,
                         testing::Combine(testing::Values(Case{"Written", written}), testing::Values(true)));

}  // namespace
}  // namespace hone
