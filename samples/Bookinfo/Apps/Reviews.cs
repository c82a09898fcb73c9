using System.Globalization;

namespace Ambient.Samples.Bookinfo;

/// <summary>GET /reviews/ID: v1 without stars, v2 with black ones, v3 with red ones; stars come from ratings.</summary>
internal static class Reviews
{
    public static void Map(WebApplication app, Pod pod, MeshClient mesh) => app.MapGet("/reviews/{id:int}", async Task<IResult> (int id, HttpContext context) =>
    {
        var color = pod.Version switch { "v2" => "black", "v3" => "red", _ => null };
        BookRatings? ratings = null;
        string? problem = null;
        if (color is not null)
        {
            (ratings, problem) = await mesh.GetAsync(
                $"http://ratings:9080/ratings/{id}", BookinfoJson.Default.BookRatings, context.Request, context.RequestAborted);
        }

        return Results.Json(
            new BookReviews(
                id.ToString(CultureInfo.InvariantCulture),
                pod.Name,
                "Kubernetes",
                [
                    Review("Reviewer1", "Two pairs of twins, one town, and nobody thinks to ask for a name. I laughed until the last scene."),
                    Review("Reviewer2", "Quick, loud and silly in the best way. Read it aloud, with friends who do not mind the shouting."),
                ]),
            BookinfoJson.Default.BookReviews);

        Review Review(string reviewer, string text) => new(reviewer, text, (color, ratings) switch
        {
            (null, _) => null,
            (_, null) => new StarRating(null, null, problem ?? "ratings are unavailable"),
            _ => ratings.Ratings.TryGetValue(reviewer, out var stars) ? new StarRating(stars, color, null) : null,
        });
    });
}
