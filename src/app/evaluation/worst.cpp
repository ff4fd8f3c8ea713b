#include "app/evaluation/worst.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "app/report/html.hpp"
#include "app/report/style.hpp"
#include "base/file.hpp"
#include "data/image.hpp"

namespace hone::app {

namespace {

namespace fs = std::filesystem;

constexpr int gap = 6;  // pixels between joined pictures

constexpr const char* page_style = R"css(
.cases { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 460px), 1fr)); gap: 16px; margin-top: 28px; align-items: start; }
.case { background: var(--card); border: 1px solid var(--line); border-radius: 12px; overflow: hidden; }
.case img { display: block; width: 100%; height: auto; max-height: 560px; object-fit: contain; background: #16181b; }
.case figcaption { padding: 10px 14px 12px; font-size: 13.5px; font-weight: 400; margin: 0; overflow-wrap: anywhere; }
.case .wrong { float: right; color: var(--warm); font-weight: 600; font-variant-numeric: tabular-nums; padding-left: 10px; }
.case .file { color: var(--soft); font-size: 12.5px; }
)css";

std::string picture_name(size_t index) { return fmt::format("{:03}.jpg", index + 1); }

/// Pictures of an earlier run that had more of them would stay behind.
void remove_older(const fs::path& folder) {
  std::error_code error;
  for (size_t i = 0; fs::remove(folder / picture_name(i), error); ++i) {
  }
}

std::string figure_of(const WorstCase& one, size_t index) {
  return fmt::format(
      "<figure class=\"case\"><a href=\"{0}\"><img loading=\"lazy\" alt=\"{1}\" src=\"{0}\"></a><figcaption><span "
      "class=\"wrong\">{2:.3g}</span>"
      "<div><b>truth</b> {3}</div><div><b>answer</b> {4}</div><div class=\"file\">{1}</div></figcaption></figure>\n",
      picture_name(index), escape_html(one.file.string()), one.wrong, escape_html(one.truth), escape_html(one.answer));
}

}  // namespace

void WorstCases::add(WorstCase one) {
  if (!takes(one.wrong)) return;
  auto place = std::upper_bound(cases_.begin(), cases_.end(), one,
                                [](const WorstCase& a, const WorstCase& b) { return a.wrong > b.wrong; });
  cases_.insert(place, std::move(one));
  if (cases_.size() > most_) cases_.pop_back();
}

Json write_worst(const WorstCases& worst, const fs::path& folder, const std::string& title,
                 const std::string& measure) {
  make_writable_folder(folder);
  remove_older(folder);
  Json json = Json::array();
  std::string html = fmt::format(
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
      "<title>{0}</title><style>{1}{2}</style><main><h1>{0}</h1><p class=\"soft\">{3} images, the most wrong first; "
      "the figure of "
      "each is {4}.</p><div class=\"cases\">",
      escape_html(title), report_style, page_style, worst.list().size(), escape_html(measure));
  for (size_t i = 0; i < worst.list().size(); ++i) {
    const WorstCase& one = worst.list()[i];
    write_file(folder / picture_name(i), encode_jpeg(one.draw(), 88));
    html += figure_of(one, i);
    json.push_back({{"picture", (folder / picture_name(i)).string()},
                    {"file", one.file.string()},
                    {"wrong", one.wrong},
                    {"truth", one.truth},
                    {"answer", one.answer}});
  }
  if (worst.list().empty()) html += "<p>Nothing is wrong.</p>";
  write_file(folder / "index.html", html + "</div></main></html>\n");
  return json;
}

Tensor joined(const std::vector<Tensor>& pictures) {
  if (pictures.size() == 1) return pictures[0];
  bool stacked = pictures[0].dim(1) * 3 > pictures[0].dim(0) * 5;  // wider than 5:3
  int64_t height = 0, width = 0;
  for (const Tensor& picture : pictures) {
    height = stacked ? height + picture.dim(0) + gap : std::max(height, picture.dim(0));
    width = stacked ? std::max(width, picture.dim(1)) : width + picture.dim(1) + gap;
  }
  (stacked ? height : width) -= gap;
  Tensor all = Tensor::zeros(DType::u8, {height, width, 3});
  auto to = all.mutable_data<uint8_t>();
  int64_t top = 0, left = 0;
  for (const Tensor& picture : pictures) {
    auto from = picture.data<uint8_t>();
    for (int64_t y = 0; y < picture.dim(0); ++y)
      std::memcpy(&to[static_cast<size_t>(((top + y) * width + left) * 3)],
                  &from[static_cast<size_t>(y * picture.dim(1) * 3)], static_cast<size_t>(picture.dim(1) * 3));
    (stacked ? top : left) += (stacked ? picture.dim(0) : picture.dim(1)) + gap;
  }
  return all;
}

Tensor shrunk(const Tensor& image, int longest, double& scale) {
  scale = std::min(1.0, static_cast<double>(longest) / static_cast<double>(std::max(image.dim(0), image.dim(1))));
  if (scale == 1) return image;
  auto side = [&](int64_t pixels) {
    return std::max(1, static_cast<int>(std::lround(static_cast<double>(pixels) * scale)));
  };
  return resize_image(image, side(image.dim(0)), side(image.dim(1)));
}

}  // namespace hone::app
