#include "quantize/compress.hpp"

#include <cmath>
#include <map>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "models.hpp"
#include "quantize/group_quant.hpp"
#include "tensor/int4.hpp"

namespace hone {
namespace {

using test::Net;
using test::reference_runner;
using test::samples;
using test::source_of;
using test::sqnr;
using testing::HasSubstr;

// Two matrix products, the second of which has a group of large weights in each column.
Net two_products() {
  Net net(61);
  Value* x = net.relu(net.gemm(net.input("x", {4, 64}), 96, "fc1"), "r1");
  Value* w = net.graph.add_constant("w2", net.normal({96, 40}, 0.1F));
  net.output(net.apply("MatMul", {x, w}, "fc2"));
  return net;
}

double quality(const Net& net, const CompressOptions& options, CompressReport* report = nullptr) {
  return sqnr(net.graph, compress_weights(net.graph, options, {}, {}, report), samples(net.graph, 8));
}

TEST(Compress, EachFormatIsAsCloseAsItsBitsAllow) {
  Net net = two_products();
  auto with = [&](WeightFormat format, bool symmetric, int group) {
    CompressReport report;
    double found = quality(net, {.format = format, .symmetric = symmetric, .group_size = group}, &report);
    EXPECT_EQ(report.weights.size(), 2u);
    EXPECT_LT(report.bytes_after, 0.6 * report.bytes_before);
    return found;
  };
  for (bool symmetric : {true, false}) {
    EXPECT_GT(with(WeightFormat::int8, symmetric, -1), 38) << symmetric;
    EXPECT_GT(with(WeightFormat::int4, symmetric, 32), 16) << symmetric;
    EXPECT_GT(with(WeightFormat::int4, symmetric, 32), with(WeightFormat::int4, symmetric, -1)) << "groups help";
  }
  EXPECT_GT(with(WeightFormat::fp16, true, -1), 60);
  EXPECT_GT(with(WeightFormat::bf16, true, -1), 45);
}

TEST(Compress, GroupsAreDequantizeLinearInBlocks) {
  Net net = two_products();
  Graph graph = compress_weights(net.graph, {.format = WeightFormat::int4, .symmetric = false, .group_size = 32});
  const Node* node = graph.find_node("fc2")->input(1)->producer();
  ASSERT_TRUE(node && node->is("DequantizeLinear"));
  EXPECT_EQ(node->input(0)->dtype(), dtype_u4);
  EXPECT_EQ(node->input(1)->constant().dims(), (Dims{3, 40}));
  EXPECT_EQ(node->input(2)->constant().dims(), (Dims{3, 40}));
  EXPECT_EQ(std::get<int64_t>(get_attributes(node->op()).at("block_size")), 32);
  EXPECT_EQ(std::get<int64_t>(get_attributes(node->op()).at("axis")), 0);
  for (int64_t code : node->input(0)->constant().to_ints()) EXPECT_TRUE(code >= 0 && code <= 15) << code;
  // The last group of 64 in two groups of 48 is smaller.
  Graph uneven = compress_weights(net.graph, {.format = WeightFormat::int4, .group_size = 48});
  EXPECT_EQ(uneven.find_node("fc1")->input(1)->producer()->input(1)->constant().dims(), (Dims{96, 2}));
  EXPECT_GT(sqnr(net.graph, uneven, samples(net.graph, 4)), 15);
}

TEST(Compress, OneGroupHasAScaleAnOutputChannel) {
  Net net = two_products();
  Graph graph = compress_weights(net.graph, {});
  const Node* gemm = graph.find_node("fc1")->input(1)->producer();
  EXPECT_EQ(gemm->input(0)->dtype(), DType::i8);
  EXPECT_EQ(gemm->input(1)->constant().dims(), (Dims{96}));
  EXPECT_EQ(std::get<int64_t>(get_attributes(gemm->op()).at("axis")), 0);
}

TEST(Compress, RatioKeepsTheSensitiveLayerInEightBits) {
  Net net = two_products();
  // Outliers: with one scale for the rows, four bits lose most of the rest.
  Value* value = net.graph.find_value("w2");
  Tensor w = value->constant().clone();
  for (size_t n = 0; n < 40; ++n) w.mutable_data<float>()[n] = 4;
  net.graph.set_constant(value, w);
  CompressReport report;
  compress_weights(net.graph, {.format = WeightFormat::int4, .group_size = -1, .ratio = 0.65}, {}, {}, &report);
  std::map<std::string, std::string> formats;
  for (auto& weight : report.weights) formats[weight.node] = weight.format;
  EXPECT_EQ(formats["fc1"], "int4 sym");
  EXPECT_EQ(formats["fc2"], "int8 sym");
}

TEST(Compress, MixedPrecisionKeepsMoreThanFourBitsAlone) {
  Net net = two_products();
  Value* value = net.graph.find_value("w2");
  Tensor w = value->constant().clone();
  for (size_t n = 0; n < 40; ++n) w.mutable_data<float>()[n] = 4;
  net.graph.set_constant(value, w);
  CompressOptions options{.format = WeightFormat::int4};
  double four = quality(net, options);
  options.ratio = 0.65;
  EXPECT_GT(quality(net, options), four + 3);
}

// Of two layers with equally large errors of the weights, the one whose errors meet large inputs gets 8 bits.
TEST(Compress, DataAwareChoiceLooksAtTheInputs) {
  Net net(64);
  Value* x = net.apply("Tanh", {net.input("x", {4, 64})}, "t");
  Tensor gain(DType::f32, {64});
  for (size_t i = 0; i < 64; ++i) gain.mutable_data<float>()[i] = i < 8 ? 50.0F : 0.1F;
  Value* scaled = net.apply("Mul", {x, net.graph.add_constant("gain", gain)}, "scaled");
  // Where the inputs of "loud" are large, its weights are small: in 4 bits beside large ones nothing of them is left.
  Tensor loud = net.normal({64, 40}, 0.1F), even = net.normal({64, 40}, 0.1F);
  for (size_t i = 0; i < 8 * 40; ++i) loud.mutable_data<float>()[i] *= 0.05F;
  for (size_t i = 0; i < 40; ++i) even.mutable_data<float>()[20 * 40 + i] = 0.9F;  // an outlier in each column
  Value* a = net.apply("MatMul", {scaled, net.graph.add_constant("wl", loud)}, "loud");
  Value* b = net.apply("MatMul", {x, net.graph.add_constant("we", even)}, "even");
  net.output(net.apply("Add", {a, b}, "sum"));
  auto data = samples(net.graph, 8);
  auto chosen = [&](bool data_aware) {
    CompressReport report;
    compress_weights(net.graph, {.format = WeightFormat::int4, .ratio = 0.5, .data_aware = data_aware}, source_of(data),
                     reference_runner, &report);
    std::map<std::string, std::string> formats;
    for (auto& weight : report.weights) formats[weight.node] = weight.format;
    return formats;
  };
  EXPECT_EQ(chosen(false)["even"], "int8 sym");
  EXPECT_EQ(chosen(true)["loud"], "int8 sym");
  EXPECT_EQ(chosen(true)["even"], "int4 sym");
}

TEST(Compress, SixteenBitsStoreTheNearestNumbers) {
  Net net = two_products();
  for (auto [format, type, digits] :
       {std::tuple{WeightFormat::fp16, DType::f16, 11}, {WeightFormat::bf16, DType::bf16, 8}}) {
    Graph graph = compress_weights(net.graph, {.format = format});
    const Node* cast = graph.find_node("fc2")->input(1)->producer();
    ASSERT_TRUE(cast && cast->is("Cast"));
    ASSERT_EQ(cast->input(0)->dtype(), type);
    const Tensor stored = cast->input(0)->constant().cast(DType::f32);
    auto exact = net.graph.find_value("w2")->constant().data<float>();
    bool rounded = false;
    for (size_t i = 0; i < exact.size(); ++i) {
      // Half a unit of the last digit; halves below 2^-14 have fixed ones.
      const double unit = std::max(std::exp2(std::ilogb(exact[i]) + 1 - digits), type == DType::f16 ? 0x1p-24 : 0.0);
      ASSERT_LE(std::fabs(stored.data<float>()[i] - exact[i]), 0.5 * unit) << exact[i];
      rounded |= stored.data<float>()[i] != exact[i];
    }
    EXPECT_TRUE(rounded);
  }
}

TEST(Compress, NumbersTooLargeForHalvesStay) {
  Net net = two_products();
  Value* value = net.graph.find_value("w2");
  Tensor w = value->constant().clone();
  w.mutable_data<float>()[5] = 1e6F;
  net.graph.set_constant(value, w);
  CompressReport report;
  Graph graph = compress_weights(net.graph, {.format = WeightFormat::fp16}, {}, {}, &report);
  EXPECT_TRUE(graph.find_node("fc2")->input(1)->is_constant());
  ASSERT_EQ(report.kept.size(), 1u);
  EXPECT_THAT(report.kept[0].reason, HasSubstr("do not fit into f16"));
  EXPECT_EQ(
      compress_weights(net.graph, {.format = WeightFormat::bf16}).find_node("fc2")->input(1)->producer()->op().type(),
      std::string("Cast"));
}

// One input is always large: what happens to its weights is what counts.
TEST(Compress, DataAwareScalesProtectTheLargeInputs) {
  Net net(62);
  Value* x = net.input("x", {4, 64});
  Tensor gain(DType::f32, {64});
  for (size_t i = 0; i < 64; ++i) gain.mutable_data<float>()[i] = i % 16 == 3 ? 30.0F : 0.3F;
  Value* scaled = net.apply("Mul", {net.apply("Tanh", {x}, "t"), net.graph.add_constant("gain", gain)}, "scaled");
  net.output(net.apply("MatMul", {scaled, net.graph.add_constant("w", net.normal({64, 40}, 0.1F))}, "fc"));
  auto data = samples(net.graph, 8);
  CompressOptions options{.format = WeightFormat::int4, .group_size = 32};
  double without = sqnr(net.graph, compress_weights(net.graph, options), data);
  options.data_aware = true;
  double with = sqnr(net.graph, compress_weights(net.graph, options, source_of(data), reference_runner), data);
  EXPECT_GT(with, without + 0.5);
}

TEST(Compress, EmbeddingsInEightBits) {
  Net net(63);
  Value* ids = net.input("ids", {3}, DType::i64);
  Value* table = net.graph.add_constant("table", net.normal({50, 32}, 1));
  net.output(net.apply("Gather", {table, ids}, "embed"));
  CompressReport report;
  Graph graph = compress_weights(net.graph, {.format = WeightFormat::int4, .group_size = 32}, {}, {}, &report);
  EXPECT_EQ(report.weights.at(0).format, "int8 sym");
  std::vector<Tensor> input{Tensor::of<int64_t>({3}, {1, 7, 49})};
  Tensor exact = evaluate(net.graph, input)[0], got = evaluate(graph, input)[0];
  for (size_t i = 0; i < 96; ++i) EXPECT_NEAR(exact.data<float>()[i], got.data<float>()[i], 0.03);
  EXPECT_THROW(compress_weights(net.graph, {.embeddings = false}), Error);
}

TEST(Compress, WrongOptions) {
  Net net = two_products();
  auto message = [&](const CompressOptions& options) -> std::string {
    try {
      compress_weights(net.graph, options);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(message({.group_size = 0}), HasSubstr("group size is 0"));
  EXPECT_THAT(message({.ratio = 1.5}), HasSubstr("ratio is 1.5"));
  EXPECT_THAT(message({.data_aware = true}), HasSubstr("needs calibration data"));
  EXPECT_THAT(message({.ignored_nodes = {"fc9"}}), HasSubstr("'fc1'"));
  EXPECT_THAT(message({.ignored_nodes = {"fc*"}}), HasSubstr("no weights to compress"));
}

TEST(Compress, FourBitsPackAndUnpack) {
  for (DType type : {dtype_i4, dtype_u4}) {
    Tensor tensor(type, {7});
    auto* data = static_cast<int8_t*>(tensor.mutable_raw());
    for (int i = 0; i < 7; ++i) data[i] = static_cast<int8_t>(type == dtype_i4 ? i - 4 : i * 2);
    std::string bytes = pack_4_bit(tensor);
    EXPECT_EQ(bytes.size(), 4u);
    EXPECT_TRUE(identical(unpack_4_bit(type, {7}, bytes), tensor));
    EXPECT_THROW(unpack_4_bit(type, {9}, bytes), Error);
  }
}

}  // namespace
}  // namespace hone
