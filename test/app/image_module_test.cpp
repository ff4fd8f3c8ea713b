#include <gmock/gmock.h>

#include <cstdio>
#include <filesystem>

#include "app/run_hone.hpp"

/// The program loads OpenCV with the first image only, from its place beside the program.
namespace hone::app_test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  for (char line[512]; pipe && std::fgets(line, sizeof line, pipe);) text += line;
  if (pipe) ::pclose(pipe);
  return text;
}

TEST(ImageModule, StartNeedsNoOpenCv) {
#ifdef HONE_IMAGES_LINKED
  GTEST_SKIP() << "sanitizer builds are linked with it";
#endif
  EXPECT_THAT(output_of("ldd " HONE_PROGRAM), Not(HasSubstr("opencv")));
}

TEST(ImageModule, AMissingOneIsSaid) {
#ifdef HONE_IMAGES_LINKED
  GTEST_SKIP() << "sanitizer builds are linked with it";
#endif
  TemporaryFolder folder;
  const fs::path alone = folder / "hone";
  fs::copy_file(HONE_PROGRAM, alone);
  EXPECT_THAT(output_of(alone.string() + " --version"), HasSubstr("hone "));
  const std::string generated =
      output_of(alone.string() + " generate " + (folder / "parts").string() + " --images-per-class 1");
  EXPECT_THAT(generated, HasSubstr("libhone_images.so"));
  EXPECT_THAT(generated, HasSubstr("install hone again"));
  EXPECT_THAT(output_of(alone.string() + " doctor"), HasSubstr("libhone_images.so"));
}

}  // namespace
}  // namespace hone::app_test
