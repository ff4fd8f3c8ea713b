// Classifies images with a model file: classify MODEL IMAGE.ppm...
//
// Works with a model that takes images (as `hone train` writes them). To stay without an image library, it reads binary
// PPM files; `convert photo.jpg photo.ppm` makes one. With OpenCV, pass mat.data, mat.rows, mat.cols, PixelFormat::bgr,
// mat.step.
#include <cctype>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include <hone/hone.hpp>

struct Image {
  int height = 0, width = 0;
  std::vector<uint8_t> pixels;  // RGB
};

// A number of the header; comments run from # to the end of the line.
int read_number(std::istream& in) {
  std::string comment;
  while (in >> std::ws && in.peek() == '#') std::getline(in, comment);
  int number = 0;
  in >> number;
  return number;
}

Image read_ppm(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw hone::Error("'" + path + "'", "cannot be opened", "check the path");
  char magic[2] = {};
  in.read(magic, 2);
  Image image;
  image.width = read_number(in);
  image.height = read_number(in);
  int most = read_number(in);
  in.get();
  if (!in || magic[0] != 'P' || magic[1] != '6' || most != 255 || image.width < 1 || image.height < 1 ||
      image.width > 30000 || image.height > 30000)
    throw hone::Error("'" + path + "'", "is no binary PPM file with 8 bits a channel", "convert it to one");
  image.pixels.resize(static_cast<size_t>(image.width) * static_cast<size_t>(image.height) * 3);
  in.read(reinterpret_cast<char*>(image.pixels.data()), static_cast<std::streamsize>(image.pixels.size()));
  if (!in) throw hone::Error("'" + path + "'", "is cut off", "copy it again");
  return image;
}

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: classify MODEL IMAGE.ppm...\n");
    return 2;
  }
  try {
    hone::Classifier classifier(argv[1]);
    for (int i = 2; i < argc; ++i) {
      Image image = read_ppm(argv[i]);
      std::printf("%s:", argv[i]);
      for (const hone::ClassScore& score : classifier.classify({image.pixels.data(), image.height, image.width}, 3))
        std::printf(" %s %.1f%%", score.label.c_str(), 100 * score.probability);
      std::printf("\n");
    }
  } catch (const hone::Error& error) {
    std::fprintf(stderr, "classify: %s\n", error.what());
    return 1;
  }
  return 0;
}
