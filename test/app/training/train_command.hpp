#pragma once
#include <string>
#include <vector>

#include <fmt/format.h>

#include "app/run_hone.hpp"

namespace hone::app_test {

/// A quick run.
inline std::vector<std::string> train_command(const std::string& data, const std::string& out,
                                              const std::string& epochs = "3") {
  return {"train", data,      "-o",  out,       "--epochs", epochs,      "--size",
          "16",    "--width", "0.1", "--batch", "8",        "--threads", "1"};
}

inline std::vector<std::string> operator+(std::vector<std::string> list, const std::vector<std::string>& more) {
  list.insert(list.end(), more.begin(), more.end());
  return list;
}

/// A gray image with a bright square: white or, of the second class, blue.
inline std::string square_png(int left, int top, bool blue, int side = 48) {
  Tensor image(DType::u8, {side, side, 3});
  auto pixels = image.mutable_data<uint8_t>();
  Rng rng(static_cast<uint64_t>(left * 64 + top));
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x)
      for (int c = 0; c < 3; ++c) {
        bool inside = x >= left && x < left + 16 && y >= top && y < top + 16;
        uint64_t value = inside ? (blue && c < 2 ? 20 : 240) : 90 + rng.below(30);
        pixels[static_cast<size_t>(3 * (y * side + x) + c)] = static_cast<uint8_t>(value);
      }
  return encode_png(image);
}

/// 16 images with a square each, the last with none, as YOLO text; the folder.
inline std::string write_squares(const TemporaryFolder& folder) {
  for (int i = 0; i < 16; ++i) {
    int left = i * 7 % 30, top = i * 11 % 30;
    folder.write(fmt::format("images/{}.png", i), square_png(left, top, i % 2));
    std::string row = fmt::format("{} {} {} {} {}\n", i % 2, (left + 8) / 48.0, (top + 8) / 48.0, 16 / 48.0, 16 / 48.0);
    folder.write(fmt::format("labels/{}.txt", i), i == 15 ? std::string() : row);
  }
  folder.write("data.yaml", "names: [white, blue]\n");
  return folder.path().string();
}

/// 10 images with a square each and a mask of it; the folder.
inline std::string write_squares_with_masks(const TemporaryFolder& folder) {
  for (int i = 0; i < 10; ++i) {
    int left = i * 7 % 30, top = i * 11 % 30;
    folder.write(fmt::format("images/{}.png", i), square_png(left, top, false));
    Tensor mask(DType::u8, {48, 48});
    auto pixels = mask.mutable_data<uint8_t>();
    for (int y = 0; y < 48; ++y)
      for (int x = 0; x < 48; ++x)
        pixels[static_cast<size_t>(y * 48 + x)] = x >= left && x < left + 16 && y >= top && y < top + 16;
    folder.write(fmt::format("masks/{}.png", i), encode_png(mask));
  }
  folder.write("classes.txt", "ground\nsquare\n");
  return folder.path().string();
}

inline std::vector<std::string> detection_command(const std::string& data, const std::string& out) {
  return {"train", data, "-o", out, "--size", "64", "--width", "0.1", "--batch", "4", "--threads", "1"};
}

inline std::vector<std::string> segmentation_command(const std::string& data, const std::string& out) {
  return {"train", data, "-o", out, "--size", "32", "--width", "0.25", "--batch", "4", "--threads", "1"};
}

}  // namespace hone::app_test
