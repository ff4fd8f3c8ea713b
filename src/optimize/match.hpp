#pragma once
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "graph/graph.hpp"

/// What passes share: questions about values and small edits.
namespace hone::passes {

/// An op of this type; throws Error when there is none or it lacks an attribute.
std::unique_ptr<Op> new_op(std::string_view type, const Attributes& attributes = {}, std::string_view domain = "");

/// The node that makes `value` when it is a `type` of the ONNX domain, else nullptr.
Node* made_by(const Value* value, std::string_view type);
/// The only user of `value`, or nullptr when it has none, several, or is a graph output.
Node* single_user(const Graph& graph, const Value* value);
/// True for QuantizeLinear and DequantizeLinear: no pass removes, merges or moves them.
bool is_quantizer(const Node& node);

/// The number of a constant with one element.
std::optional<double> scalar(const Value* value);
/// As scalar(), for a constant whose rank does not raise that of `other` when both are combined.
std::optional<double> scalar_beside(const Value* value, const Value* other);
/// All numbers of a constant, or nullopt.
std::optional<std::vector<double>> numbers(const Value* value);
/// All integers of a constant, or nullopt.
std::optional<std::vector<int64_t>> integers(const Value* value);
/// One number for each index of `axis` when the constant, broadcast to rank `rank`, differs along that axis only.
std::optional<std::vector<double>> per_channel(const Value* value, int rank, int axis, int64_t channels);
Tensor tensor_of(DType dtype, Dims dims, const std::vector<double>& numbers);

/// True when both are surely the same sizes at run time: every size a number or a named symbol.
bool surely_equal(const Shape& a, const Shape& b);
/// Nearly equal for constants that were rounded to `dtype`.
bool close(double a, double b, DType dtype);

/// Makes the constant the node's input: in place (with its name) when the constant there has no other use.
void set_constant_input(Graph& graph, Node* node, size_t index, Tensor tensor, const std::string& name);
/// Makes `node` (one output) another op with these inputs; its name and output stay.
void become(Graph& graph, Node* node, std::unique_ptr<Op> op, std::vector<Value*> inputs);
/// Uses `to` in place of `from`. False, and nothing is done, when that would make a graph output of a graph input, of a
/// constant or of another graph output: then a node has to stay between them.
bool replace(Graph& graph, Value* from, Value* to);

/// Uses `values` in place of the outputs of `node`, which is left without uses. Graph outputs get an Identity where the
/// value cannot be one itself.
void replace_outputs(Graph& graph, Node* node, const std::vector<Value*>& values);
/// Uses `value` in place of the output of `node`, which is left without inputs until it is removed.
void bypass(Graph& graph, Node* node, Value* value);

/// True when the outputs of `nodes` other than `root` are used by `nodes` only and are no graph outputs.
bool used_only_inside(const Graph& graph, const std::set<const Node*>& nodes, const Node* root);

}  // namespace hone::passes
