#pragma once
// OpenCV views of image tensors, for this folder's .cpp files only.
#include <opencv2/core.hpp>

#include "tensor/tensor.hpp"

namespace hone {

/// Views a u8 [H, W, 3] tensor without a copy. OpenCV reads const data through a non-const header.
inline cv::Mat view_of(const Tensor& image) {
  return cv::Mat(static_cast<int>(image.dim(0)), static_cast<int>(image.dim(1)), CV_8UC3,
                 const_cast<void*>(image.raw()));
}

inline Tensor make_image(int height, int width) { return Tensor(DType::u8, {height, width, 3}); }

/// Makes OpenCV run in the calling thread: our workers are the parallelism, and results must not depend on it.
void use_single_threaded_opencv();

}  // namespace hone
