"""Fill the masks of a column of parquet files on Apache Spark.

pip install 'tfmlm[spark]'        # and Java 17
python examples/spark_fill.py my_export --input shards --output filled
"""

import argparse

from pyspark.sql import SparkSession, functions

from tfmlm.batch.spark import fill_mask_udf

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("export", help="export folder or URL that every executor can read")
parser.add_argument("--input", required=True, help="parquet files: a folder or URL")
parser.add_argument("--output", required=True, help="folder or URL for the results")
parser.add_argument("--text_column", default="text")
parser.add_argument("--top_k", type=int, default=5)
parser.add_argument("--master", help="where Spark runs, such as local[2]; spark-submit says it")


def main() -> None:
    args = parser.parse_args()
    builder = SparkSession.builder.appName("tfmlm")
    session = (builder.master(args.master) if args.master else builder).getOrCreate()
    fill = fill_mask_udf(args.export, top_k=args.top_k)
    frame = session.read.parquet(args.input).withColumn("mlm", fill(args.text_column))
    frame.select("*", "mlm.*").drop("mlm").write.mode("overwrite").parquet(args.output)
    written = session.read.parquet(args.output)
    counts = written.groupBy("status").agg(functions.count("*").alias("rows"))
    for row in counts.orderBy("status").collect():
        print(f"{row['rows']:>10,}  {row['status']}")
    session.stop()


if __name__ == "__main__":
    main()
