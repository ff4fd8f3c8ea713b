// hone data check and the evaluation of detectors and segmenters, as a user runs them.
#include <gmock/gmock.h>

#include "run_hone.hpp"

namespace hone::app_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string picture(uint64_t seed, int height = 40, int width = 60) {
  return encode_png(random_image(height, width, seed));
}

/// Two parts with one picture in both, a broken image, a box outside and a class without objects.
void write_yolo(const TemporaryFolder& folder) {
  for (int i = 0; i < 4; ++i) {
    folder.write("images/train/" + std::to_string(i) + ".png", picture(static_cast<uint64_t>(i)));
    folder.write("labels/train/" + std::to_string(i) + ".txt", i == 3 ? "" : "0 0.5 0.5 0.5 0.5\n");
  }
  folder.write("images/val/a.png", picture(0));
  folder.write("labels/val/a.txt", "1 0.5 0.5 0.2 0.2\n0 1.5 0.5 0.1 0.1\n");
  folder.write("images/val/b.png", picture(9).substr(0, 2000));
  folder.write("labels/val/b.txt", "1 0.5 0.5 0.2 0.2\n");
  folder.write("data.yaml", "names: [cat, dog, '<cow>']\ntrain: images/train\nval: images/val\n");
}

TEST(DataCheck, SaysWhatIsWrong) {
  TemporaryFolder folder;
  write_yolo(folder);
  Result result = hone({"data", "check", folder.path().string(), "--json", "--html", (folder / "page.html").string()});
  ASSERT_EQ(result.code, 0) << result.err;
  auto json = result.json();
  EXPECT_EQ(json["format"], "yolo");
  EXPECT_EQ(json["task"], "detection");
  EXPECT_EQ(json["images"], 6);
  EXPECT_EQ(json["classes"][0]["count"], 3);
  EXPECT_EQ(json["classes"][2]["count"], 0);
  EXPECT_EQ(json["duplicates"]["across_parts"], 1);
  EXPECT_EQ(json["corrupt"].size(), 1u);
  EXPECT_EQ(json["empty"], 1);
  EXPECT_THAT(json["problems"].dump(), HasSubstr("outside the image"));
  EXPECT_THAT(json["suggestions"].dump(), AllOf(HasSubstr("two parts"), HasSubstr("<cow>")));
  std::string page = read_text_file(folder / "page.html");
  EXPECT_THAT(page, AllOf(HasSubstr("data:image/jpeg;base64,"), HasSubstr("&lt;cow&gt;")));
  EXPECT_EQ(page.find("<cow>"), std::string::npos);
  Result text = hone({"data", "check", folder.path().string()});
  EXPECT_THAT(text.out, AllOf(HasSubstr("6 images, 3 classes"), HasSubstr("suggestions"), HasSubstr("across parts")));
}

TEST(DataCheck, WrongUse) {
  TemporaryFolder folder;
  EXPECT_EQ(hone({"data", "check", (folder / "gone").string()}).code, 1);
  Result task = hone({"data", "check", folder.path().string(), "--task", "detektion"});
  EXPECT_NE(task.code, 0);
  EXPECT_THAT(task.err, HasSubstr("did you mean 'detection'"));
  EXPECT_EQ(hone({"data"}).code, 2);
}

}  // namespace
}  // namespace hone::app_test
