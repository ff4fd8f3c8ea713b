#pragma once
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "base/function_ref.hpp"
#include "graph/graph.hpp"
#include "import/onnx/wire.hpp"

namespace hone::onnx {

struct GraphDef;

/// A NodeProto as the file has it: values by name, "" where an optional one is absent.
struct NodeDef {
  std::string name;  ///< given one when the file has none
  std::string op, domain, overload;
  std::vector<std::string> inputs, outputs;
  Attributes attributes;
  /// Attributes of kinds that no op has (tensor lists, type descriptions ...): name and kind.
  std::map<std::string, std::string> unreadable;
  std::map<std::string, std::shared_ptr<GraphDef>> graphs;  ///< attributes that are graphs
  std::map<std::string, std::string> references;  ///< attributes that are attributes of the function around the node

  /// "conv 'stem/0'": as Node::place().
  std::string place() const;
};

struct ValueDef {
  std::string name;
  Type type;
};

struct ConstantDef {
  std::string name;
  Tensor tensor;
};

/// A GraphProto.
struct GraphDef {
  std::string name;
  std::vector<NodeDef> nodes;
  std::vector<ConstantDef> initializers;
  std::vector<ValueDef> inputs, outputs;
  /// What it uses of the graphs around it, in order of first use; a sound model's main graph has none.
  std::vector<std::string> captured;
};

/// A FunctionProto: an op that the model defines itself.
struct FunctionDef {
  std::string domain, name, overload;
  GraphDef body;  ///< without types
  Attributes defaults;
  std::map<std::string, int64_t> opsets;
};
using FunctionKey = std::tuple<std::string, std::string, std::string>;  ///< domain, name, overload

/// A ModelProto.
struct ModelDef {
  std::string place;  ///< "'folder/model.onnx'": how errors name the file
  int64_t ir_version = 0;
  std::map<std::string, int64_t> opsets;  ///< by domain; the ONNX domain is ""
  std::map<std::string, std::string> metadata;
  GraphDef graph;
  std::map<FunctionKey, FunctionDef> functions;

  /// The function that the node calls, or nullptr.
  const FunctionDef* function_of(const NodeDef& node) const;
};

/// Decodes the file. Tensors refer to its memory where they can.
ModelDef read_model(const std::shared_ptr<const MappedFile>& file);

/// Data files next to the model, each mapped once.
class ExternalFiles {
 public:
  /// An empty path: a model in memory, which belongs to no folder.
  explicit ExternalFiles(const std::filesystem::path& model);
  /// The file at `location`, relative to the model's folder. Throws Error(place, ...) when it is missing or outside.
  std::shared_ptr<const MappedFile> open(const std::string& location, const std::string& place);

 private:
  std::filesystem::path folder_;
  std::map<std::string, std::shared_ptr<const MappedFile>> files_;
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};
/// "float32", "uint4" ... of a TensorProto.DataType, those that Hone does not have too; "unknown" for other numbers.
std::string element_name(int64_t type);
/// Decodes a TensorProto. `what` begins the place of errors: "initializer" gives "initializer 'w'".
NamedTensor read_tensor(WireReader message, ExternalFiles& files, const std::string& what);

/// Throws Error unless every value has one source, every used value has a source, and there is no cycle. Returns the
/// order in which the nodes can be computed: the file's own where that works. `place` is how errors name the graph;
/// `outside` are the names that graphs around it define.
std::vector<size_t> computation_order(const GraphDef& graph, const std::string& place,
                                      FunctionRef<bool(const std::string&)> outside);

/// Makes the Graph of a decoded model: normalizes each node to opset 21, puts functions in place of their calls and
/// infers types on the way.
Graph build_graph(const ModelDef& model);

}  // namespace hone::onnx
