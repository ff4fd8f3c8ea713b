#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "tensor/tensor.hpp"

namespace hone::peers {

/// Why ONNX Runtime cannot be asked here (no node, package not installed), or empty.
std::string why_not_available();

/// The outputs of a model file in ONNX Runtime (bench/onnxruntime.cjs in a process of its own); inputs in the order of
/// the file. Throws Error with its message when it fails.
std::vector<Tensor> run_onnxruntime(const std::filesystem::path& model, std::span<const Tensor> inputs);

/// The folder with real models and data (HONE_DATA, else ../shared), or empty when there is none.
std::filesystem::path data_folder();

/// Largest difference relative to the largest magnitude of b; expects equal sizes.
double worst_relative(const Tensor& a, const Tensor& b);

}  // namespace hone::peers
