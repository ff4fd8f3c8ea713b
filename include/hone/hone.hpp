#pragma once
/// Hone's C++ interface: load a model, run it. See docs/api.md for a tour and examples/ for programs.
///
///   hone::Model model("resnet50.onnx");
///   hone::Session session(model);
///   std::vector<hone::Tensor> outputs = session.run({input});

#include <hone/error.hpp>    // IWYU pragma: export
#include <hone/image.hpp>    // IWYU pragma: export
#include <hone/log.hpp>      // IWYU pragma: export
#include <hone/model.hpp>    // IWYU pragma: export
#include <hone/session.hpp>  // IWYU pragma: export
#include <hone/streams.hpp>  // IWYU pragma: export
#include <hone/tensor.hpp>   // IWYU pragma: export
#include <hone/version.hpp>  // IWYU pragma: export
