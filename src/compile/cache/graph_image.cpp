#include "compile/cache/graph_image.hpp"

#include <unordered_map>

#include "graph/ops/fused/fused.hpp"
#include "graph/ops/fused/image_input.hpp"

namespace hone::cache {

namespace {

struct Unsupported {};

void put_type(ByteWriter& out, const Type& type) {
  if (!type.shape.is_static() || type.dtype == DType::string) throw Unsupported();
  out.put(type.dtype);
  out.put(type.shape.concrete());
}

Type get_type(ByteReader& in) {
  const auto dtype = in.get<DType>();
  const auto dims = in.get<Dims>();
  for (int64_t size : dims)
    if (size < 0) throw Damaged();
  return {dtype, Shape(dims)};
}

std::span<const std::byte> bytes_of(const Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.raw()), tensor.bytes()};
}

void put_tensor(ByteWriter& out, const Tensor& tensor) {
  if (tensor.dtype() == DType::string) throw Unsupported();
  put_type(out, {tensor.dtype(), Shape(tensor.dims())});
  out.append(bytes_of(tensor));
}

Tensor get_tensor(ByteReader& in) {
  const Type type = get_type(in);
  const Dims dims = type.shape.concrete();
  uint64_t bytes = size_of(type.dtype);
  for (int64_t size : dims)
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes)) throw Damaged();
  const auto data = in.take(bytes);
  Tensor tensor(type.dtype, dims);
  if (!data.empty()) std::memcpy(tensor.mutable_raw(), data.data(), data.size());
  return tensor;
}

void put_attributes(ByteWriter& out, const Op& op) {
  const Attributes attributes = get_attributes(op);
  out.put(static_cast<uint64_t>(attributes.size()));
  for (const auto& [name, value] : attributes) {
    out.put(name);
    out.put(static_cast<uint8_t>(value.index()));
    std::visit(
        [&](const auto& item) {
          using T = std::decay_t<decltype(item)>;
          if constexpr (std::is_same_v<T, std::shared_ptr<Graph>>)
            throw Unsupported();
          else if constexpr (std::is_same_v<T, Tensor>)
            put_tensor(out, item);
          else
            out.put(item);
        },
        value);
  }
}

template <class T>
Attribute get_attribute(ByteReader& in) {
  if constexpr (std::is_same_v<T, std::shared_ptr<Graph>>)
    throw Damaged();
  else if constexpr (std::is_same_v<T, Tensor>)
    return get_tensor(in);
  else
    return in.get<T>();
}

template <size_t... I>
Attribute get_attribute(ByteReader& in, uint8_t kind, std::index_sequence<I...>) {
  Attribute result;
  if (!((kind == I && (result = get_attribute<std::variant_alternative_t<I, Attribute>>(in), true)) || ...))
    throw Damaged();
  return result;
}

Attributes get_attributes_of(ByteReader& in) {
  Attributes attributes;
  for (size_t left = in.count(); left > 0; --left) {
    const auto name = in.get<std::string>();
    const auto kind = in.get<uint8_t>();
    attributes[name] = get_attribute(in, kind, std::make_index_sequence<std::variant_size_v<Attribute>>());
  }
  return attributes;
}

// What compile adds to a graph has more fields than attributes. A field that is new belongs into the two lists below.
struct PlainActivation {
  std::string name;
  float numbers[2];
};
struct PlainFused {
  void* op;
  std::shared_ptr<const Op> inner;
  int64_t inner_inputs;
  bool channels_last;
  std::vector<ops::QuantParams> in;
  std::vector<float> weight_scales;
  PlainActivation act, act2;
  ops::QuantParams rounded;
  DType rounded_dtype;
  bool has_residual, residual_first;
  ops::QuantParams residual;
  std::vector<float> out_factors;
  DType out_dtype;
  ops::QuantParams out;
};
static_assert(sizeof(ops::Fused) == sizeof(PlainFused), "put the new field of Fused into visit() and PlainFused");
struct PlainImageInput {
  void* op;
  int64_t sizes[2];
  bool antialias;
  std::vector<int64_t> source_channel;
  std::vector<float> scale, shift;
  DType out_dtype;
  ops::QuantParams out;
};
static_assert(sizeof(ops::ImageInput) == sizeof(PlainImageInput),
              "put the new field of ImageInput into visit() and PlainImageInput");

/// Calls visitor(field) for each field of the op but the inner one.
template <class Op, class Visitor>
requires std::is_same_v<std::remove_const_t<Op>, ops::Fused>
void visit(Op& op, Visitor visitor) {
  visitor(op.inner_inputs), visitor(op.channels_last), visitor(op.in), visitor(op.weight_scales), visitor(op.act),
      visitor(op.act2);
  visitor(op.rounded), visitor(op.rounded_dtype);
  visitor(op.has_residual), visitor(op.residual_first), visitor(op.residual);
  visitor(op.out_factors), visitor(op.out_dtype), visitor(op.out);
}
template <class Op, class Visitor>
requires std::is_same_v<std::remove_const_t<Op>, ops::ImageInput>
void visit(Op& op, Visitor visitor) {
  visitor(op.out_height), visitor(op.out_width), visitor(op.antialias), visitor(op.source_channel), visitor(op.scale);
  visitor(op.shift), visitor(op.out_dtype), visitor(op.out);
}

struct FieldWriter {
  ByteWriter& out;
  void operator()(const ops::QuantParams& params) { out.put(params.scale), out.put(params.zero); }
  void operator()(const ops::FusedActivation& act) { out.put(act.name), out.put(act.alpha), out.put(act.beta); }
  void operator()(const std::vector<ops::QuantParams>& list) {
    out.put(static_cast<uint64_t>(list.size()));
    for (const ops::QuantParams& params : list) (*this)(params);
  }
  template <class T>
  void operator()(const T& value) {
    out.put(value);
  }
};

struct FieldReader {
  ByteReader& in;
  void operator()(ops::QuantParams& params) { in.get(params.scale), in.get(params.zero); }
  void operator()(ops::FusedActivation& act) { in.get(act.name), in.get(act.alpha), in.get(act.beta); }
  void operator()(std::vector<ops::QuantParams>& list) {
    list.resize(in.count());
    for (ops::QuantParams& params : list) (*this)(params);
  }
  template <class T>
  void operator()(T& value) {
    in.get(value);
  }
};

void put_op(ByteWriter& out, const Op& op) {
  out.put(op.domain());
  out.put(op.type());
  if (const auto* fused = dynamic_cast<const ops::Fused*>(&op)) {
    visit(*fused, FieldWriter{out});
    put_op(out, *fused->inner);
  } else if (const auto* image = dynamic_cast<const ops::ImageInput*>(&op)) {
    visit(*image, FieldWriter{out});
  } else {
    put_attributes(out, op);
  }
}

std::unique_ptr<Op> get_op(ByteReader& in, int depth = 0) {
  const auto domain = in.get<std::string>(), type = in.get<std::string>();
  std::unique_ptr<Op> op;
  if (domain == "hone" && type == "Fused") {
    if (depth > 0) throw Damaged();
    auto fused = std::make_unique<ops::Fused>();
    visit(*fused, FieldReader{in});
    fused->inner = get_op(in, depth + 1);
    op = std::move(fused);
  } else if (domain == "hone" && type == "ImageInput") {
    auto image = std::make_unique<ops::ImageInput>();
    visit(*image, FieldReader{in});
    op = std::move(image);
  } else {
    op = make_op(domain, type);
    if (!op || !set_attributes(*op, get_attributes_of(in)).empty()) throw Damaged();
  }
  return op;
}

void put_node(ByteWriter& out, const Node& node, std::unordered_map<const Value*, int32_t>& index) {
  out.put(node.name);
  put_op(out, node.op());
  out.put(static_cast<uint64_t>(node.inputs().size()));
  for (const Value* input : node.inputs()) out.put(input ? index.at(input) : int32_t{-1});
  out.put(static_cast<uint64_t>(node.outputs().size()));
  for (const Value* output : node.outputs()) {
    put_type(out, output->type);
    index.emplace(output, static_cast<int32_t>(index.size()));
  }
}

/// Value `at` of the list; nullptr for -1.
Value* pick(const std::vector<Value*>& values, int32_t at) {
  if (at == -1) return nullptr;
  if (at < 0 || static_cast<size_t>(at) >= values.size()) throw Damaged();
  return values[static_cast<size_t>(at)];
}

void put_graph(const Graph& graph, ByteWriter& out, std::vector<const Value*>& constants) {
  std::unordered_map<const Value*, int32_t> index;
  out.put(static_cast<uint64_t>(graph.inputs().size()));
  for (const Value* input : graph.inputs()) {
    out.put(input->name);
    put_type(out, input->type);
    index.emplace(input, static_cast<int32_t>(index.size()));
  }
  const std::vector<Value*> list = graph.constants();
  out.put(static_cast<uint64_t>(list.size()));
  for (const Value* constant : list) {
    put_type(out, {constant->constant().dtype(), Shape(constant->constant().dims())});
    index.emplace(constant, static_cast<int32_t>(index.size()));
    constants.push_back(constant);
  }
  out.put(static_cast<uint64_t>(graph.nodes().size()));
  for (const auto& node : graph.nodes()) put_node(out, *node, index);
  out.put(static_cast<uint64_t>(graph.outputs().size()));
  for (const GraphOutput& output : graph.outputs()) {
    out.put(output.name);
    out.put(index.at(output.value));
  }
}

}  // namespace

bool write_graph(const Graph& graph, ByteWriter& out, std::vector<const Value*>& constants) {
  try {
    put_graph(graph, out, constants);
    return true;
  } catch (const Unsupported&) {
    return false;
  }
}

Graph read_graph(ByteReader& in, const ConstantData& constant) {
  Graph graph;
  std::vector<Value*> values;
  for (size_t left = in.count(); left > 0; --left) {
    const auto name = in.get<std::string>();
    const Type type = get_type(in);
    values.push_back(graph.add_input(name, type.dtype, type.shape));
  }
  for (size_t i = 0, count = in.count(); i < count; ++i) {
    const Type type = get_type(in);
    values.push_back(graph.add_constant("", constant(i, type.dtype, type.shape.concrete())));
  }
  for (size_t left = in.count(); left > 0; --left) {
    const auto name = in.get<std::string>();
    auto op = get_op(in);
    std::vector<Value*> inputs;
    for (size_t more = in.count(); more > 0; --more) inputs.push_back(pick(values, in.get<int32_t>()));
    std::vector<Type> types;
    for (size_t more = in.count(); more > 0; --more) types.push_back(get_type(in));
    Node* node = graph.add_untyped(std::move(op), std::move(inputs), name, static_cast<int>(types.size()));
    for (size_t i = 0; i < types.size(); ++i) {
      node->output(i)->type = types[i];
      values.push_back(node->output(i));
    }
  }
  for (size_t left = in.count(); left > 0; --left) {
    const auto name = in.get<std::string>();
    Value* value = pick(values, in.get<int32_t>());
    if (!value) throw Damaged();
    graph.add_output(name, value);
  }
  return graph;
}

bool hash_graph(const Graph& graph, Hash& hash) {
  ByteWriter structure;
  std::vector<const Value*> constants;
  if (!write_graph(graph, structure, constants)) return false;
  Hasher hasher;
  hasher.add(structure.bytes());
  for (const Value* constant : constants) {
    if (constant->dtype() == DType::string) return false;
    hasher.add(bytes_of(constant->constant()));
  }
  hash = hasher.value();
  return true;
}

}  // namespace hone::cache
