using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;

namespace Ambient.Samples.Bookinfo;

/// <summary>HTML of the page: one file, no script, nothing fetched from elsewhere.</summary>
internal static class ProductPageHtml
{
    public const string Style = """
        :root { --ink: #1d2433; --soft: #667085; --line: #e4e7ec; --paper: #f7f8fa; --mesh: #466bb0; }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
        header { background: var(--mesh); color: #fff; padding: .9rem 1.5rem; display: flex; justify-content: space-between; align-items: baseline; }
        header b { font-weight: 600; letter-spacing: .02em; }
        header span { font-size: .85rem; opacity: .85; }
        main { max-width: 60rem; margin: 2rem auto; padding: 0 1.5rem; }
        h1 { font-size: 2rem; margin: 0 0 .25rem; }
        .summary { color: var(--soft); max-width: 46rem; margin: 0 0 2rem; }
        .columns { display: grid; grid-template-columns: 1fr 2fr; gap: 1.5rem; align-items: start; }
        @media (max-width: 44rem) { .columns { grid-template-columns: 1fr; } }
        section { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 1.25rem 1.5rem; }
        h2 { font-size: 1.05rem; margin: 0 0 .75rem; }
        dl { display: grid; grid-template-columns: auto 1fr; gap: .35rem 1rem; margin: 0; font-size: .95rem; }
        dt { color: var(--soft); } dd { margin: 0; }
        blockquote { margin: 0 0 1.1rem; padding: 0 0 1.1rem; border-bottom: 1px solid var(--line); }
        blockquote footer { color: var(--soft); font-size: .9rem; margin-top: .35rem; }
        .stars { letter-spacing: .1em; font-size: 1.1rem; } .stars.black { color: #1d2433; } .stars.red { color: #d92d20; } .stars i { color: #d0d5dd; font-style: normal; }
        .served { color: var(--soft); font-size: .9rem; margin: 0; } .served u { color: var(--ink); }
        .problem { color: #b42318; background: #fef3f2; border-radius: 6px; padding: .6rem .8rem; margin: 0; font-size: .9rem; }
        """;

    public static string Index(Pod pod) => Document(pod, """
        <h1>Bookinfo</h1><p class="summary">A bookstore with one book, four services and, today, a mesh.</p>
        <section><a href="/productpage">The product page</a></section>
        """);

    public static string Page(
        Pod pod, Product book, (BookDetails? Value, string? Problem) details, (BookReviews? Value, string? Problem) reviews)
    {
        var html = new StringBuilder();
        html.Append(CultureInfo.InvariantCulture, $"<h1>{Text(book.Title)}</h1>\n<p class=\"summary\">{book.DescriptionHtml}</p>\n<div class=\"columns\">\n");
        html.Append("<section><h2>Book Details</h2>\n");
        AppendDetails(html, details.Value, details.Problem);
        html.Append("</section>\n<section><h2>Book Reviews</h2>\n");
        AppendReviews(html, reviews.Value, reviews.Problem);
        html.Append("</section>\n</div>");
        return Document(pod, html.ToString());
    }

    private static void AppendDetails(StringBuilder html, BookDetails? book, string? problem)
    {
        if (book is null)
        {
            html.Append(CultureInfo.InvariantCulture, $"<p class=\"problem\">Product details are unavailable: {Text(problem)}</p>\n");
            return;
        }

        html.Append("<dl>\n");
        (string Name, object Value)[] rows =
        [
            ("Author", book.Author), ("Type", book.Type), ("Pages", book.Pages), ("Publisher", book.Publisher),
            ("Language", book.Language), ("Year", book.Year), ("ISBN-10", book.Isbn10), ("ISBN-13", book.Isbn13),
        ];
        foreach (var (name, value) in rows)
        {
            html.Append(CultureInfo.InvariantCulture, $"<dt>{name}</dt><dd>{Text(Convert.ToString(value, CultureInfo.InvariantCulture))}</dd>\n");
        }

        html.Append("</dl>\n");
    }

    private static void AppendReviews(StringBuilder html, BookReviews? book, string? problem)
    {
        if (book is null)
        {
            html.Append(CultureInfo.InvariantCulture, $"<p class=\"problem\">Product reviews are unavailable: {Text(problem)}</p>\n");
            return;
        }

        foreach (var review in book.Reviews)
        {
            html.Append(CultureInfo.InvariantCulture, $"<blockquote>{Text(review.Text)}\n{Stars(review.Rating)}<footer>{Text(review.Reviewer)}</footer></blockquote>\n");
        }

        html.Append(CultureInfo.InvariantCulture, $"<p class=\"served\">Reviews served by: <u>{Text(book.Podname)}</u></p>\n");
    }

    private static string Stars(StarRating? rating) => rating switch
    {
        null => "",
        { Stars: { } stars } => $"<div class=\"stars {Text(rating.Color)}\" title=\"{stars} of 5\">{new string('★', Math.Clamp(stars, 0, 5))}<i>{new string('★', 5 - Math.Clamp(stars, 0, 5))}</i></div>\n",
        _ => $"<p class=\"problem\">Ratings are unavailable: {Text(rating.Error)}</p>\n",
    };

    private static string Document(Pod pod, string body) => $"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Simple Bookstore App</title>
        <style>
        {Style}
        </style>
        </head>
        <body>
        <header><b>Bookinfo</b><span>{Text(pod.Name)}</span></header>
        <main>
        {body}
        </main>
        </body>
        </html>
        """;

    private static string Text(string? value) => HtmlEncoder.Default.Encode(value ?? "");
}
