#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tensor/tensor.hpp"

namespace hone {

class Graph;
class Node;

/// What passes may ask of an op instead of comparing names.
enum class Trait : uint32_t {
  elementwise = 1 << 0,  ///< output element i depends only on element i of the (broadcast) inputs
  commutative = 1 << 1,  ///< op(a, b) == op(b, a)
  layout_agnostic =
      1 << 2,     ///< same result for any memory order of the dimensions (elementwise, concat with its axis mapped)
  view = 1 << 3,  ///< same elements in the same order under other sizes (Reshape, Flatten, Squeeze ...)
  scale_preserving =
      1 << 4,  ///< output values are input values (MaxPool, Transpose, Concat ...): quantization scales pass through
  activation = 1 << 5,      ///< unary function that a kernel can apply to its result
  random = 1 << 6,          ///< not a function of its inputs: never folded, merged or removed
  data_dependent = 1 << 7,  ///< output sizes depend on input values
};
constexpr uint32_t operator|(Trait a, Trait b) { return static_cast<uint32_t>(a) | static_cast<uint32_t>(b); }
constexpr uint32_t operator|(uint32_t a, Trait b) { return a | static_cast<uint32_t>(b); }

/// Reads or writes the attributes of an op, one call a field. Absent optionals and empty lists are not written;
/// when reading, a field whose attribute is absent keeps its default.
class AttributeVisitor {
 public:
  virtual ~AttributeVisitor() = default;
  virtual void field(const char* name, int64_t& value) = 0;
  virtual void field(const char* name, float& value) = 0;
  virtual void field(const char* name, std::string& value) = 0;
  virtual void field(const char* name, std::vector<int64_t>& value) = 0;
  virtual void field(const char* name, std::vector<float>& value) = 0;
  virtual void field(const char* name, std::vector<std::string>& value) = 0;
  virtual void field(const char* name, Tensor& value) = 0;
  virtual void field(const char* name, std::shared_ptr<Graph>& value) = 0;
  virtual void field(const char* name, std::optional<int64_t>& value) = 0;
  virtual void field(const char* name, std::optional<float>& value) = 0;
  /// Stored as its ONNX number.
  void field(const char* name, DType& value);
  /// Stored as 0 or 1.
  void field(const char* name, bool& value);
};

using Attribute = std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>,
                               std::vector<std::string>, Tensor, std::shared_ptr<Graph>>;
using Attributes = std::map<std::string, Attribute, std::less<>>;

/// Element type and shape of a value; both may be (partly) unknown.
struct Type {
  DType dtype = DType::undefined;
  Shape shape;
  bool operator==(const Type&) const = default;
};
std::string to_string(const Type& type);  ///< "f32[N, 3, 224, 224]"

/// How many inputs and outputs an op takes, and its traits. Inputs past min_inputs may be absent.
struct OpSpec {
  int min_inputs = 1, max_inputs = 1;    ///< max -1: any number
  int min_outputs = 1, max_outputs = 1;  ///< max -1: any number
  uint32_t traits = 0;
  const char* summary = "";  ///< one line, with the equation
};

/// What a shape rule sees: the input types, and the values of inputs that are known before running.
class InferContext {
 public:
  InferContext(const Node& node);  // NOLINT
  size_t input_count() const;
  size_t output_count() const;
  bool has_input(size_t i) const;
  const Type& input(size_t i) const;       ///< throws Error when absent
  DType dtype(size_t i) const { return input(i).dtype; }
  const Shape& shape(size_t i) const { return input(i).shape; }
  const Tensor* constant(size_t i) const;  ///< nullptr when absent or not known
  /// The integers of input i as dims where they are known or symbolic (Shape -> Gather -> Concat chains);
  /// nullopt when nothing is known.
  std::optional<std::vector<Dim>> dims_value(size_t i) const;

  void set_output(size_t i, DType dtype, Shape shape);
  /// Says what is known of the integers of output i (rank 0 or 1).
  void set_dims_value(size_t i, std::vector<Dim> value);
  /// Throws Error naming the node: "conv 'stem/0': <problem>; <remedy>".
  [[noreturn]] void fail(const std::string& problem, const std::string& remedy = {}) const;

  const Node& node;
  std::vector<Type> outputs;
  std::vector<std::optional<std::vector<Dim>>> output_dims_values;
};

/// What a reference evaluation sees. Inputs are dense row-major.
class EvalContext {
 public:
  /// `inputs[i]` is nullptr where input i is absent. `outputs` has one slot a wanted output; a slot that is
  /// defined already is the place to write to when its type and sizes fit.
  EvalContext(std::string place, std::span<const Tensor* const> inputs, std::span<Tensor> outputs)
      : place_(std::move(place)), inputs_(inputs), outputs_(outputs) {}
  const std::string& place() const { return place_; }  ///< how errors name the node
  size_t input_count() const { return inputs_.size(); }
  size_t output_count() const { return outputs_.size(); }
  bool has(size_t i) const { return i < inputs_.size() && inputs_[i] != nullptr; }
  const Tensor& in(size_t i) const;  ///< throws Error when absent
  /// Makes output i (uninitialized, or the caller's memory) and returns it.
  Tensor& out(size_t i, DType dtype, const Dims& dims);
  /// Output i shares the memory of `value` unless the caller wants it elsewhere.
  void set(size_t i, const Tensor& value);
  [[noreturn]] void fail(const std::string& problem, const std::string& remedy = {}) const;

 private:
  std::string place_;
  std::span<const Tensor* const> inputs_;
  std::span<Tensor> outputs_;
};

/// A kind of operation. Subclasses (one file each under graph/ops) hold the attributes as plain fields.
class Op {
 public:
  virtual ~Op() = default;
  virtual const char* type() const = 0;                ///< "Conv"
  virtual const char* domain() const { return ""; }    ///< "" for ONNX, "hone" for ours
  virtual OpSpec spec() const = 0;
  virtual void attributes(AttributeVisitor&) {}
  virtual void infer(InferContext&) const = 0;
  virtual void evaluate(EvalContext&) const = 0;
  virtual std::unique_ptr<Op> clone() const = 0;
  bool has(Trait trait) const { return (spec().traits & static_cast<uint32_t>(trait)) != 0; }
};

/// Fills in clone(); `struct Relu : OpOf<Relu> { ... };`
template <class Derived>
class OpOf : public Op {
 public:
  std::unique_ptr<Op> clone() const override { return std::make_unique<Derived>(static_cast<const Derived&>(*this)); }
};

/// Every op file ends with this; ops.inc names the same op.
#define HONE_DEFINE_OP(Name) \
  std::unique_ptr<Op> make_op_##Name() { return std::make_unique<Name>(); }

/// A new op with default attributes; nullptr when there is none of that name.
std::unique_ptr<Op> make_op(std::string_view domain, std::string_view type);
/// All ops, in the order of ops.inc.
std::vector<std::unique_ptr<Op>> all_ops();
/// Names of ops that look like `type`, nearest first (for error messages).
std::vector<std::string> similar_ops(std::string_view type);

/// All attributes that differ from being absent.
Attributes get_attributes(const Op& op);
/// Sets the fields named in `attributes`; returns the names that the op does not have. Throws Error (place:
/// the op) when an attribute has the wrong kind.
std::vector<std::string> set_attributes(Op& op, const Attributes& attributes);
/// Same op type and equal attributes (tensors compared by value).
bool same_op(const Op& a, const Op& b);
std::string to_string(const Attribute& attribute);  ///< text form: 3, 0.5, "same", [1, 1]

}  // namespace hone
