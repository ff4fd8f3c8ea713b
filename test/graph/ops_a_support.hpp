#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "graph/graph.hpp"

/// Runs one op by its shape rule and reference evaluation.
namespace hone::testing_ops {

inline std::unique_ptr<Op> op_of(const std::string& type, const Attributes& attributes) {
  std::string domain = type == "Swish" ? "hone" : "";
  auto op = make_op(domain, type);
  if (!op) throw Error(type, "is not registered");
  auto unknown = set_attributes(*op, attributes);
  if (!unknown.empty()) throw Error(type, "has no attribute " + unknown[0]);
  return op;
}

/// A graph of one node; undefined tensors are absent inputs.
inline Graph one_node(const std::string& type, const std::vector<Tensor>& inputs, const Attributes& attributes,
                      bool constants) {
  Graph graph;
  std::vector<Value*> values;
  for (const Tensor& tensor : inputs) {
    if (!tensor.defined())
      values.push_back(nullptr);
    else if (constants)
      values.push_back(graph.add_constant("c", tensor));
    else
      values.push_back(graph.add_input("x", tensor.dtype(), Shape(tensor.dims())));
  }
  graph.add_output("y", graph.add(op_of(type, attributes), values, "node")->output());
  return graph;
}

/// The result of an op; checks that the inferred types describe it, whether inputs are known before running or not.
inline Tensor run(const std::string& type, const std::vector<Tensor>& inputs, const Attributes& attributes = {}) {
  Graph known = one_node(type, inputs, attributes, true), open = one_node(type, inputs, attributes, false);
  Tensor result = evaluate(known, {})[0];
  std::vector<Tensor> present;
  for (const Tensor& tensor : inputs)
    if (tensor.defined()) present.push_back(tensor);
  EXPECT_TRUE(identical(result, evaluate(open, present)[0])) << type;
  EXPECT_EQ(known.outputs()[0].value->type, (Type{result.dtype(), Shape(result.dims())})) << type;
  EXPECT_EQ(open.outputs()[0].value->dtype(), result.dtype()) << type;
  EXPECT_TRUE(matches(open.outputs()[0].value->shape(), result.dims())) << type;
  return result;
}

/// What the Error of building the node says; "" when there is none.
inline std::string failure(const std::string& type, const std::vector<Tensor>& inputs,
                           const Attributes& attributes = {}) {
  try {
    one_node(type, inputs, attributes, true);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline Tensor f32(const std::vector<float>& values) {
  return Tensor::of<float>({static_cast<int64_t>(values.size())}, values);
}
inline Tensor f32(Dims dims, const std::vector<float>& values) { return Tensor::of<float>(std::move(dims), values); }
inline Tensor i64(const std::vector<int64_t>& values) {
  return Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values);
}
/// Integers of any type.
inline Tensor ints(DType dtype, const std::vector<int64_t>& values) { return i64(values).cast(dtype); }
inline Tensor bools(const std::vector<int64_t>& values) { return ints(DType::boolean, values); }

inline void expect_near(const Tensor& got, const std::vector<double>& wanted, double tolerance = 1e-5) {
  Tensor wide = got.cast(DType::f64);
  auto values = wide.data<double>();
  ASSERT_EQ(values.size(), wanted.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(wanted[i]))
      EXPECT_TRUE(std::isnan(values[i])) << "element " << i << " is " << values[i];
    else if (std::isinf(wanted[i]))
      EXPECT_EQ(values[i], wanted[i]) << "element " << i;
    else
      EXPECT_NEAR(values[i], wanted[i], tolerance * std::max(1.0, std::abs(wanted[i]))) << "element " << i;
  }
}

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

}  // namespace hone::testing_ops
