#pragma once
#include <filesystem>
#include <string>

/// Model files for the tests, written by the internal exporter. No internal type is named here: the tests know only
/// what users of the installed package know.
namespace api_test {

/// f32 x[N, 3, 16, 16] -> scores[N, 2], labels red and blue: random weights.
void write_plain_classifier(const std::filesystem::path& file);
/// The same behind preprocessing: u8 images of any size; sure to tell red from blue images.
void write_image_classifier(const std::filesystem::path& file);
/// f32 a[N, 4], i64 b[N, 4] -> sum f32[N, 4], last f32[N, 4] = a.
void write_two_inputs(const std::filesystem::path& file);

/// f32 x[N, 2] -> same = x, constant = [7, 8].
void write_pass_through(const std::filesystem::path& file);

}  // namespace api_test
