#pragma once
// Reads image files: with OpenCV those that it knows, without it binary PPM alone.
#include <fstream>
#include <string>
#include <vector>

#include <hone/hone.hpp>
#ifdef APP_OPENCV
#include <opencv2/imgcodecs.hpp>
#endif

struct Image {
  std::vector<uint8_t> pixels;
  int height = 0, width = 0;
  hone::PixelFormat format = hone::PixelFormat::rgb;
  hone::ImageView view() const { return {pixels.data(), height, width, format}; }
};

#ifdef APP_OPENCV

inline Image read_image(const std::string& path) {
  cv::Mat mat = cv::imread(path, cv::IMREAD_COLOR);
  if (mat.empty()) throw hone::Error("'" + path + "'", "is no image that can be decoded", "check the path");
  if (!mat.isContinuous()) mat = mat.clone();
  return {{mat.data, mat.data + mat.total() * 3}, mat.rows, mat.cols, hone::PixelFormat::bgr};
}

#else

inline Image read_image(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string magic;
  int most = 0;
  Image image;
  in >> magic >> image.width >> image.height >> most;
  in.get();
  if (!in || magic != "P6" || most != 255 || image.width < 1 || image.height < 1 || image.width > 30000 ||
      image.height > 30000)
    throw hone::Error("'" + path + "'", "is no binary PPM file with 8 bits a channel",
                      "build with OpenCV for other formats, or convert it");
  image.pixels.resize(static_cast<size_t>(image.width) * static_cast<size_t>(image.height) * 3);
  in.read(reinterpret_cast<char*>(image.pixels.data()), static_cast<std::streamsize>(image.pixels.size()));
  if (!in) throw hone::Error("'" + path + "'", "is cut off", "copy it again");
  return image;
}

#endif
