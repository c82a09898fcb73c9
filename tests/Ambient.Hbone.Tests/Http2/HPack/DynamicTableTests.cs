using System.Text;
using Ambient.Hbone.Http2.HPack;
using Ambient.Testing.Fuzzing;

namespace Ambient.Hbone.Tests.Http2.HPack;

public class DynamicTableTests
{
    [Fact]
    [Trait("Category", "Fuzz")]
    public void Insert_AnySequence_HoldsWhatAPlainListHolds()
    {
        FuzzBudget.Run(100, random =>
        {
            var table = new DynamicTable(random.Next(0, 500));
            var model = new List<(string Name, string Value)>();
            for (var step = 0; step < 500; step++)
            {
                if (random.Next(20) == 0)
                {
                    table.Resize(random.Next(0, 500));
                }
                else
                {
                    var name = new string((char)('a' + random.Next(26)), random.Next(1, 30));
                    var value = new string((char)('a' + random.Next(26)), random.Next(0, 90));
                    if (model.Count > 0 && random.Next(3) == 0)
                    {
                        // A name that lies in the table, the oldest entry's above all: it may be evicted by the insertion.
                        var index = random.Next(2) == 0 ? model.Count - 1 : random.Next(model.Count);
                        name = model[index].Name;
                        table.Insert(table.Name(index), Encoding.ASCII.GetBytes(value));
                    }
                    else
                    {
                        table.Insert(Encoding.ASCII.GetBytes(name), Encoding.ASCII.GetBytes(value));
                    }

                    model.Insert(0, (name, value));
                }

                while (model.Sum(Size) > table.MaxSize)
                {
                    model.RemoveAt(model.Count - 1);
                }

                Assert.Equal(model.Sum(Size), table.Size);
                Assert.Equal(model.Count, table.Count);
                for (var index = 0; index < model.Count; index++)
                {
                    Assert.Equal(model[index], (Encoding.ASCII.GetString(table.Name(index)), Encoding.ASCII.GetString(table.Value(index))));
                }
            }
        });
    }

    private static int Size((string Name, string Value) entry) => entry.Name.Length + entry.Value.Length + 32;
}
