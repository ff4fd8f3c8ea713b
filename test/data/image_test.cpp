#include "data/image.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "data/image_cache.hpp"
#include "graph/graph.hpp"
#include "graph/text.hpp"
#include "data/data_checks.hpp"

namespace hone {
namespace {

using ::testing::HasSubstr;

std::span<const std::byte> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

/// Red left half, blue right half.
Tensor two_colors(int height, int width) {
  Tensor image = Tensor::zeros(DType::u8, {height, width, 3});
  auto data = image.mutable_data<uint8_t>();
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) data[static_cast<size_t>((y * width + x) * 3 + (x < width / 2 ? 0 : 2))] = 255;
  return image;
}

/// A JPEG with an EXIF segment that holds only the orientation.
std::string with_orientation(const std::string& jpeg, int orientation) {
  std::string tiff("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", 19);
  tiff += static_cast<char>(orientation);
  tiff += std::string("\0\0\0\0\0\0", 6);
  std::string content = std::string("Exif\0\0", 6) + tiff;
  std::string segment = "\xFF\xE1";
  segment += static_cast<char>(0);
  segment += static_cast<char>(content.size() + 2);
  return jpeg.substr(0, 2) + segment + content + jpeg.substr(2);
}

TEST(Image, PngRoundTripIsExactAndRgb) {
  Tensor image = random_image(17, 31, 1);
  Tensor back = decode_image(bytes_of(encode_png(image)));
  EXPECT_TRUE(identical(image, back));
}

TEST(Image, JpegRoundTripIsClose) {
  Tensor image = two_colors(32, 48);
  Tensor back = decode_image(bytes_of(encode_jpeg(image, 95)));
  ASSERT_EQ(back.dims(), (Dims{32, 48, 3}));
  EXPECT_NEAR(back.data<uint8_t>()[0], 254, 4);
  EXPECT_NEAR(back.data<uint8_t>()[2], 0, 4);
}

TEST(Image, GrayIsRepeated) {
  Tensor gray = Tensor::of<uint8_t>({1, 2}, {7, 200});
  Tensor back = decode_image(bytes_of(encode_png(gray)));
  EXPECT_EQ(back.to_ints(), (std::vector<int64_t>{7, 7, 7, 200, 200, 200}));
}

TEST(Image, PnmWithCommentAnd16Bits) {
  std::string ppm = "P6\n# a comment\n1 2\n65535\n";
  for (int value : {0xFF, 0x80, 0x00, 0x01, 0x40, 0xC0}) ppm += {static_cast<char>(value), 0};
  TemporaryFolder folder;
  auto path = folder.write("a.ppm", ppm);
  EXPECT_EQ(image_size(path), (ImageSize{2, 1}));
  EXPECT_EQ(decode_image(path).to_ints(), (std::vector<int64_t>{0xFF, 0x80, 0x00, 0x01, 0x40, 0xC0}));
}

TEST(Image, ExifOrientationIsApplied) {
  TemporaryFolder folder;
  std::string jpeg = encode_jpeg(two_colors(16, 32), 95);
  auto plain = folder.write("plain.jpg", jpeg);
  EXPECT_EQ(image_size(plain), (ImageSize{16, 32}));
  auto turned = folder.write("turned.jpg", with_orientation(jpeg, 6));  // 6: to be turned right
  EXPECT_EQ(image_size(turned), (ImageSize{32, 16}));
  Tensor image = decode_image(turned);
  ASSERT_EQ(image.dims(), (Dims{32, 16, 3}));
  EXPECT_GT(image.data<uint8_t>()[0], 200);                                     // red left becomes red top
  EXPECT_GT(image.data<uint8_t>()[static_cast<size_t>(31 * 16 * 3 + 2)], 200);  // blue right becomes blue bottom
  auto mirrored = folder.write("mirrored.jpg", with_orientation(jpeg, 2));
  EXPECT_GT(decode_image(mirrored).data<uint8_t>()[2], 200);
  EXPECT_EQ(decode_image_shrunk(turned, 4).dims(), (Dims{8, 4, 3}));
}

TEST(Image, SizeFromTheHeaderOfEachFormat) {
  TemporaryFolder folder;
  Tensor image = random_image(13, 29, 2);
  EXPECT_EQ(image_size(folder.write("a.png", encode_png(image))), (ImageSize{13, 29}));
  EXPECT_EQ(image_size(folder.write("a.jpg", encode_jpeg(image))), (ImageSize{13, 29}));
  std::string bmp("BM", 2);
  bmp.resize(54 + 4 * 2, 0);
  bmp[10] = 54, bmp[14] = 40, bmp[18] = 1, bmp[22] = 2, bmp[26] = 1, bmp[28] = 24;
  bmp[54] = 9, bmp[58] = 5;  // blue of the lower and the upper row
  auto path = folder.write("a.bmp", bmp);
  EXPECT_EQ(image_size(path), (ImageSize{2, 1}));
  EXPECT_EQ(decode_image(path).to_ints(), (std::vector<int64_t>{0, 0, 5, 0, 0, 9}));
}

TEST(Image, ErrorsNameTheFileAndTheReason) {
  TemporaryFolder folder;
  std::string jpeg = encode_jpeg(random_image(64, 64, 3));
  std::string png = encode_png(random_image(64, 64, 3));
  auto message = [&](const std::string& name, std::string_view content) {
    auto path = folder.write(name, content);
    std::string text = error_of([&] { decode_image(path); });
    EXPECT_THAT(text, HasSubstr(name));
    return text;
  };
  EXPECT_THAT(message("cut.jpg", jpeg.substr(0, jpeg.size() / 2)), HasSubstr("cut off"));
  EXPECT_THAT(message("head.jpg", jpeg.substr(0, 30)), HasSubstr("header is damaged"));
  EXPECT_THAT(message("text.jpg", "this is no image"), HasSubstr("not an image"));
  EXPECT_THAT(message("empty.jpg", ""), HasSubstr("empty"));
  EXPECT_THAT(message("cut.png", png.substr(0, png.size() / 2)), HasSubstr("the PNG is cut off"));
  std::string damaged = png;
  for (size_t i = 60; i < 200; ++i) damaged[i] = static_cast<char>(~damaged[i]);
  EXPECT_THAT(message("damaged.png", damaged), HasSubstr("damaged"));
  std::string huge = png;
  huge[17] = huge[21] = 1;  // 65600 x 65600 pixels
  EXPECT_THAT(message("huge.png", huge), HasSubstr("megapixels"));
  EXPECT_THAT(error_of([&] { decode_image(folder / "none.jpg"); }), HasSubstr("no such file"));
  EXPECT_THAT(error_of([&] { decode_image(folder.path()); }), HasSubstr("is not a file"));
  EXPECT_THAT(error_of([&] { image_size(folder / "text.jpg"); }), HasSubstr("not an image"));
  EXPECT_THAT(error_of([&] { encode_png(Tensor::of<float>({1}, {1})); }), HasSubstr("u8 [H, W, 3]"));
}

TEST(Image, BrokenBytesNeverCrash) {
  const uint64_t seed = 11;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Rng rng(seed);
  const std::string originals[] = {encode_png(random_image(9, 9, 4)),
                                   with_orientation(encode_jpeg(random_image(9, 9, 4)), 3), "P6 2 2 255\nabcdefghijkl"};
  for (int round = 0; round < 300; ++round) {
    std::string content = originals[rng.below(3)];
    if (rng.chance(0.5)) content.resize(rng.below(static_cast<uint32_t>(content.size())));
    for (int i = 0; i < 4 && !content.empty(); ++i)
      content[rng.below(static_cast<uint32_t>(std::min<size_t>(content.size(), 80)))] =
          static_cast<char>(rng.below(256));
    try {
      Tensor image = decode_image(bytes_of(content));
      EXPECT_EQ(image.dim(2), 3);
    } catch (const Error&) {
    }
  }
}

TEST(Image, ResizeAveragesWhenShrinking) {
  Tensor image = two_colors(40, 40);
  Tensor small = resize_image(image, 1, 1);
  EXPECT_NEAR(static_cast<double>(small.to_ints()[0]), 128, 1);
  EXPECT_NEAR(static_cast<double>(small.to_ints()[2]), 128, 1);
  EXPECT_TRUE(identical(resize_image(image, 40, 40), image));
  // One direction shrinks, the other grows.
  Tensor wide = resize_image(image, 10, 80);
  EXPECT_EQ(wide.dims(), (Dims{10, 80, 3}));
  EXPECT_EQ(wide.data<uint8_t>()[0], 255);
  EXPECT_THAT(error_of([&] { resize_image(image, 0, 3); }), HasSubstr("at least 1x1"));
}

/// What a shipped model computes from the same pixels: ONNX Resize, antialiased.
Tensor resized_by_the_graph(const Tensor& image, int64_t height, int64_t width) {
  Graph graph = parse_text(fmt::format(R"(graph "resize" {{
    input %x: f32[H, W, 3]
    const %sizes: i64[2] = [{}, {}]
    %y = Resize(%x, _, _, %sizes) {{mode="linear", antialias=1, axes=[0, 1]}}
    output "y" = %y
  }})", height, width));
  Tensor x(DType::f32, image.dims());
  std::copy_n(image.data<uint8_t>().data(), image.size(), x.mutable_data<float>().data());
  return evaluate(graph, std::vector<Tensor>{x})[0];
}

TEST(Image, ResizeIsThatOfShippedModels) {
  Tensor image = random_image(37, 53, 8);
  for (auto [height, width] : {std::pair{20, 30}, {37, 11}, {80, 90}, {9, 100}, {1, 1}}) {
    Tensor expected = resized_by_the_graph(image, height, width), actual = resize_image(image, height, width);
    double worst = 0;
    for (int64_t i = 0; i < actual.size(); ++i)
      worst = std::max(worst, std::abs(double{expected.data<float>()[i]} - actual.data<uint8_t>()[i]));
    EXPECT_LT(worst, 0.502) << height << "x" << width;
  }
}

TEST(Image, LinearResizeUsesHalfPixelCenters) {
  Tensor row = Tensor::of<uint8_t>({1, 2, 3}, {0, 0, 0, 100, 100, 100});
  EXPECT_EQ(resize_image(row, 1, 4).to_ints(), (std::vector<int64_t>{0, 0, 0, 25, 25, 25, 75, 75, 75, 100, 100, 100}));
}

TEST(Image, ShrunkDecodeKeepsTheAspect) {
  TemporaryFolder folder;
  auto path = folder.write("large.jpg", encode_jpeg(two_colors(600, 901), 90));
  Tensor image = decode_image_shrunk(path, 50);
  EXPECT_EQ(image.dims(), (Dims{50, 75, 3}));
  EXPECT_NEAR(image.data<uint8_t>()[0], 254, 6);
  EXPECT_EQ(decode_image_shrunk(path, 700).dims(), (Dims{600, 901, 3}));
}

TEST(ImageCache, KeepsUpToItsLimitAndReturnsTheSame) {
  TemporaryFolder folder;
  auto a = folder.write("a.png", encode_png(random_image(10, 10, 5)));
  auto b = folder.write("b.png", encode_png(random_image(10, 10, 6)));
  ImageCache cache({.byte_limit = 400});
  Tensor first = cache.load(a), second = cache.load(b);
  EXPECT_EQ(cache.images(), 1);
  EXPECT_EQ(cache.bytes(), 300);
  EXPECT_EQ(cache.load(a).raw(), first.raw());
  EXPECT_TRUE(identical(cache.load(b), second));
  ImageCache exact({.exact_height = 4, .exact_width = 6});
  EXPECT_TRUE(identical(exact.load(a), resize_image(first, 4, 6)));
  EXPECT_THAT(error_of([&] { cache.load(folder / "c.png"); }), HasSubstr("no such file"));
}

}  // namespace
}  // namespace hone
