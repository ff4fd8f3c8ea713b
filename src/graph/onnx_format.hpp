#pragma once
#include <cstdint>

/// Numbers of the ONNX file format (onnx.proto), shared by import and export.
namespace hone::onnx {

constexpr int64_t oldest_opset = 1, newest_opset = 28;  ///< what import reads
constexpr int64_t graph_opset = 21;                     ///< what a Graph means and export writes
constexpr int64_t written_ir_version = 10;              ///< the first one that goes with opset 21

using Field = uint32_t;
namespace model {
constexpr Field ir_version = 1, producer_name = 2, graph = 7, opset_import = 8, metadata = 14, functions = 25;
}
namespace opset {
constexpr Field domain = 1, version = 2;
}
namespace graph {
constexpr Field node = 1, name = 2, initializer = 5, input = 11, output = 12, value_info = 13,
                sparse_initializer = 15;
}
namespace function {
constexpr Field name = 1, input = 4, output = 5, node = 7, opset_import = 9, domain = 10, default_attribute = 11,
                overload = 13;
}
namespace node {
constexpr Field input = 1, output = 2, name = 3, op_type = 4, attribute = 5, domain = 7, overload = 8;
}
namespace attribute {
constexpr Field name = 1, f = 2, i = 3, s = 4, t = 5, g = 6, floats = 7, ints = 8, strings = 9, tensors = 10,
                graphs = 11, type_proto = 14, type_protos = 15, type = 20, ref_name = 21, sparse_tensor = 22,
                sparse_tensors = 23;
}
namespace value_info {
constexpr Field name = 1, type = 2;
}
namespace type {
constexpr Field tensor = 1, sequence = 4, map = 5, sparse_tensor = 8, optional = 9;
}
namespace tensor_type {
constexpr Field element = 1, shape = 2;
}
namespace shape {
constexpr Field dim = 1;
}
namespace dim {
constexpr Field value = 1, param = 2;
}
namespace tensor {
constexpr Field dims = 1, data_type = 2, segment = 3, float_data = 4, int32_data = 5, string_data = 6, int64_data = 7,
                name = 8, raw_data = 9, double_data = 10, uint64_data = 11, doc_string = 12, external_data = 13,
                data_location = 14;
}
namespace entry {
constexpr Field key = 1, value = 2;
}

/// AttributeProto.AttributeType.
enum class AttributeType : int32_t {
  undefined = 0,
  f = 1,
  i = 2,
  s = 3,
  tensor = 4,
  graph = 5,
  floats = 6,
  ints = 7,
  strings = 8,
  tensors = 9,
  graphs = 10,
  sparse_tensor = 11,
  sparse_tensors = 12,
  type_proto = 13,
  type_protos = 14,
};

}  // namespace hone::onnx
