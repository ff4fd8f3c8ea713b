#include "api/models.hpp"

/// Writes the model files that the installed examples are run on into the folder given.
int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::filesystem::path folder = argv[1];
  api_test::write_plain_classifier(folder / "plain.onnx");
  api_test::write_image_classifier(folder / "image.onnx");
}
