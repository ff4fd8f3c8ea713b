#include "api/models.hpp"

#include "export/export.hpp"
#include "graph/preprocess.hpp"
#include "graph/text.hpp"

namespace api_test {

void write_plain_classifier(const std::filesystem::path& file) {
  hone::Graph graph = hone::parse_text(R"(graph "plain" {
    input %x: f32[N, 3, 16, 16]
    const %w: f32[8, 3, 3, 3] = random(1)
    const %b: f32[8] = random(2)
    const %v: f32[2, 8] = random(3)
    const %c: f32[2] = random(4)
    %conv = Conv(%x, %w, %b) {strides=[2, 2]}
    %relu = Relu(%conv)
    %pool = GlobalAveragePool(%relu)
    %flat = Flatten(%pool)
    %y = Gemm(%flat, %v, %c) {transB=1}
    output "scores" = %y
  })");
  hone::set_labels(graph, {"red", "blue"});
  hone::export_model(graph, file);
}

void write_image_classifier(const std::filesystem::path& file) {
  // The mean of the red channel against that of the blue one.
  hone::Graph graph = hone::parse_text(R"(graph "image" {
    input %x: f32[N, 3, 16, 16]
    const %v: f32[2, 3] = [1, 0, -1, -1, 0, 1]
    %pool = GlobalAveragePool(%x)
    %flat = Flatten(%pool)
    %y = Gemm(%flat, %v) {transB=1}
    output "scores" = %y
  })");
  hone::attach_preprocess(graph, {.height = 16, .width = 16, .mean = {128, 128, 128}, .std = {64, 64, 64}});
  hone::set_labels(graph, {"red", "blue"});
  graph.metadata["author"] = "test";
  hone::export_model(graph, file);
}

void write_two_inputs(const std::filesystem::path& file) {
  hone::export_model(hone::parse_text(R"(graph "two" {
    input %a: f32[N, 4]
    input %b: i64[N, 4]
    %f = Cast(%b) {to=1}
    %sum = Add(%a, %f)
    %last = Relu(%a)
    output "sum" = %sum
    output "last" = %last
  })"), file);
}

void write_pass_through(const std::filesystem::path& file) {
  hone::export_model(hone::parse_text(R"(graph "through" {
    input %x: f32[N, 2]
    const %c: f32[2] = [7, 8]
    %same = Identity(%x)
    output "same" = %same
    output "constant" = %c
  })"), file);
}

}  // namespace api_test
