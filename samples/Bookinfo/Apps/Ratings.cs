namespace Ambient.Samples.Bookinfo;

/// <summary>GET /ratings/ID: stars by reviewer.</summary>
internal static class Ratings
{
    public static void Map(WebApplication app) => app.MapGet("/ratings/{id:int}", IResult (int id) => Results.Json(
        new BookRatings(id, new Dictionary<string, int> { ["Reviewer1"] = 5, ["Reviewer2"] = 4 }),
        BookinfoJson.Default.BookRatings));
}
