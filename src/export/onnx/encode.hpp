#pragma once
#include <string>

#include "export/onnx/standard_form.hpp"

namespace hone::onnx {

/// Messages of the ONNX format as bytes, without tag and length.
std::string encode_node(const StandardNode& node);
std::string encode_value(const std::string& name, const Type& type);
std::string encode_entry(const std::string& key, const std::string& value);
/// A TensorProto up to its data: sizes, element type, name. Strings are the exception: they are all in it.
std::string encode_tensor_head(const std::string& name, const Tensor& tensor);
/// The head with its data.
std::string encode_tensor(const std::string& name, const Tensor& tensor);

}  // namespace hone::onnx
